#pragma once
#include <mutex>

#include "sample_source.h"

namespace echelon::data {

/// Windows of seq_length + 1 tokens over a token range, neighbours sharing one token.
std::unique_ptr<SampleSource> make_window_source(const SourceFile& part, Order order,
                                                 const SourceOptions& options, uint64_t stream);

}  // namespace echelon::data
