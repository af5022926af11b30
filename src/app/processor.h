#pragma once

namespace echelon::app {

/// Throws Error(environment) when this binary was compiled for instructions that the processor
/// lacks.
void require_processor();

}  // namespace echelon::app
