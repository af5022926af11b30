#include "src/trainer/run_report.h"

#include "echelon/base/text.h"
#include "echelon/config/tools.h"
#include "echelon/telemetry/report.h"

namespace echelon::trainer {

namespace {

std::string bytes(int64_t count) { return text::bytes(static_cast<double>(count)); }

telemetry::ReportTable model_table(const RunConfig& c) {
  telemetry::ReportTable t{.title = "Model", .header = {}, .rows = {}};
  t.add("parameters", text::count(static_cast<double>(nn::parameter_count(c.model))));
  t.add("layers x hidden", fmt::format("{} x {}", c.model.num_layers, c.model.hidden_size));
  t.add("heads (key/value)",
        fmt::format("{} ({})", c.model.num_attention_heads, c.model.kv_heads()));
  t.add("sequence length", fmt::format("{}", c.model.seq_length));
  t.add("vocabulary", fmt::format("{}", c.model.vocab_size));
  t.add("optimizer", fmt::format("{}, peak rate {:g}, {}", c.optimizer.type, c.optimizer.lr,
                                 c.scheduler.lr_decay_style));
  t.add("global batch", fmt::format("{} sequences, micro-batches of {}", c.train.global_batch_size,
                                    c.train.micro_batch_size));
  return t;
}

telemetry::ReportTable machine_table(const RunFacts& f) {
  const auto& d = f.trainer->parts().mesh->degrees();
  telemetry::ReportTable t{.title = "Layout and machine", .header = {}, .rows = {}};
  t.add("ranks", fmt::format("{} of {} threads", f.ranks, f.threads));
  t.add("data x tensor x pipeline", fmt::format("{} x {} x {}", d.dp, d.tp, d.pp));
  t.add("ZeRO stage", fmt::format("{}", f.run->config.zero_optimization.stage));
  t.add("peak of all ranks (measured)", text::count(f.peak_flops) + "FLOP/s");
  t.add("median step", text::duration(f.meter->median_seconds()));
  if (const auto* loader = f.trainer->loader())
    t.add("waiting for data", text::duration(loader->stall_seconds()));
  return t;
}

telemetry::ReportTable memory_table(const RunFacts& f) {
  telemetry::ReportTable t{.title = "Memory of this rank, and of the fullest",
                           .header = {"what", "now", "most"},
                           .rows = {}};
  for (const auto& row :
       telemetry::memory_rows(telemetry::memory_report(*f.trainer->parts().memory)))
    t.rows.push_back({row.what, bytes(row.now), bytes(row.peak)});
  const auto stored = f.trainer->parts().store->bytes();
  t.rows.push_back({"in shared buffers", bytes(stored.gradients), bytes(stored.gradients)});
  t.rows.push_back({fmt::format("fullest rank ({}): resident", f.fullest.rank),
                    bytes(f.fullest.resident), bytes(f.fullest.peak_resident)});
  return t;
}

telemetry::ReportTable data_table(const RunFacts& f) {
  telemetry::ReportTable t{.title = "Data", .header = {}, .rows = {}};
  t.add("files", text::join(f.run->config.data.data_path, ", "));
  if (const auto* loader = f.trainer->loader()) {
    t.add("training tokens", text::count(static_cast<double>(loader->tokens())));
    if (const auto per_token = loader->bytes_per_token())
      t.add("bytes per token", fmt::format("{:.2f}", *per_token));
  }
  t.add("samples seen", fmt::format("{}", f.trainer->consumed_samples()));
  return t;
}

}  // namespace

void write_run_report(const RunFacts& f) {
  telemetry::Report report;
  report.title = f.run->config.name;
  report.subtitle =
      fmt::format("{} parameters, {} rank{}",
                  text::count(static_cast<double>(nn::parameter_count(f.run->config.model))),
                  f.ranks, f.ranks == 1 ? "" : "s");
  report.state = f.state;
  report.tables = {model_table(f.run->config), machine_table(f), data_table(f), memory_table(f)};
  const std::string folder = directory_of(f.run->config);
  report.commands = {
      {"continue", fmt::format("echelon launch np={} train {}/resolved.yaml", f.ranks, folder)},
      {"sample text", fmt::format("echelon generate {} prompt=\"...\"", folder)},
      {"measure", fmt::format("echelon eval {}", folder)}};
  report.config = config::resolved_yaml(f.run->settings);
  telemetry::write_report(f.folder, report, telemetry::History(f.folder / "metrics.jsonl"));
}

std::string memory_line(const RunFacts& f) {
  return fmt::format(
      "memory of the fullest rank ({}): tensors {} + program {} = {}; resident {} at most",
      f.fullest.rank, bytes(f.fullest.tensors), bytes(f.fullest.base),
      bytes(f.fullest.tensors + f.fullest.base), bytes(f.fullest.peak_resident));
}

}  // namespace echelon::trainer
