// The user's configuration made small, and the layouts of a number of ranks.
#include <algorithm>
#include <numeric>

#include "src/trainer/verify.h"

namespace echelon::trainer {

namespace {

constexpr int64_t kHeadSize = 8, kSequence = 16, kVocabulary = 97, kBucket = 4096;

int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

void shrink_layers(RunConfig& c) {
  const int64_t stages =
      c.parallel.pipeline_model_parallel_size * c.pipeline.virtual_pipeline_model_parallel_size;
  if (c.pipeline.pipeline_layout.empty()) {
    c.model.num_layers = stages > 1 ? stages : std::min<int64_t>(c.model.num_layers, 2);
    return;
  }
  for (int64_t& layers : c.pipeline.pipeline_layout) layers = std::min<int64_t>(layers, 2);
  c.model.num_layers = std::accumulate(c.pipeline.pipeline_layout.begin(),
                                       c.pipeline.pipeline_layout.end(), int64_t{0});
}

/// The ratios of heads to groups, of the feed-forward width to the hidden size, and of the heads'
/// total width to the hidden size (equal or not) stay.
void shrink_widths(nn::ModelConfig& m, int64_t tp) {
  const int64_t per_group = m.num_attention_heads / m.kv_heads();
  const bool square = m.num_attention_heads * m.head_size() == m.hidden_size;
  const double feed_forward =
      static_cast<double>(m.ffn_size()) / static_cast<double>(m.hidden_size);
  const int64_t groups = tp * std::clamp<int64_t>(m.kv_heads() / tp, 1, per_group > 1 ? 1 : 2);
  if (m.num_query_groups) m.num_query_groups = groups;
  m.num_attention_heads = groups * per_group;
  const int64_t width = m.num_attention_heads * kHeadSize;
  m.kv_channels = kHeadSize;
  m.hidden_size = square ? width : width + 8;
  m.ffn_hidden_size =
      round_up(static_cast<int64_t>(feed_forward * static_cast<double>(m.hidden_size)), 8 * tp);
  m.vocab_size = kVocabulary;
  m.make_vocab_size_divisible_by = std::min<int64_t>(m.make_vocab_size_divisible_by, 8);
}

void shrink_batch(RunConfig& c, const parallel::Degrees& d) {
  int64_t micros = c.train.global_batch_size / (c.train.micro_batch_size * d.dp);
  const int64_t few = std::max<int64_t>(4, 2 * d.pp);
  micros = std::clamp<int64_t>(micros, 1, few);
  if (c.pipeline.pipeline_schedule == "interleaved") micros = round_up(micros, d.pp);
  c.train.micro_batch_size = std::min<int64_t>(c.train.micro_batch_size, 2);
  c.train.global_batch_size = c.train.micro_batch_size * micros * d.dp;
  c.train.rampup_batch_size.clear();
}

std::vector<parallel::Degrees> factors(int ranks) {
  std::vector<parallel::Degrees> all;
  for (int tp = 1; tp <= ranks; ++tp)
    for (int cp = 1; tp * cp <= ranks; ++cp)
      for (int pp = 1; tp * cp * pp <= ranks; ++pp)
        if (ranks % (tp * cp * pp) == 0) all.push_back({tp, cp, ranks / (tp * cp * pp), pp});
  return all;
}

/// Schedules of a pipeline of that many ranks, with their chunks per rank. One is enough where
/// sequences are split as well: what attention does is the same in all.
std::vector<std::pair<std::string, int64_t>> schedules(int pp, int cp) {
  if (pp == 1 || cp > 1) return {{"1f1b", 1}};
  std::vector<std::pair<std::string, int64_t>> all;
  for (const auto& name : pipeline::schedule_names()) {
    const auto schedule = pipeline::make_schedule(name);
    for (const int chunks : {1, 2})
      if (schedule->refuses({pp, chunks, 2 * pp}).empty()) all.emplace_back(name, chunks);
  }
  return all;
}

}  // namespace

RunConfig shrunk(RunConfig c, int ranks) {
  const auto d = parallel::degrees_of(c.parallel, ranks);
  shrink_layers(c);
  shrink_widths(c.model, d.tp);
  c.model.seq_length = std::min(c.model.seq_length, round_up(kSequence, int64_t{2} * d.tp * d.cp));
  shrink_batch(c, d);
  c.zero_optimization.reduce_bucket_size = kBucket;
  c.train.threads_per_rank = 1;
  return c;
}

RunConfig on_one_rank(RunConfig c) {
  c.parallel = {};
  c.pipeline = {};
  c.zero_optimization.stage = 0;
  c.recompute = {};
  c.offload = {};
  return c;
}

std::string layout_text(const RunConfig& c, int ranks) {
  const auto d = parallel::degrees_of(c.parallel, ranks);
  std::string text = fmt::format("tp{}", d.tp);
  if (d.tp > 1 && c.parallel.sequence_parallel) text += "+sp";
  if (d.cp > 1) text += fmt::format(" cp{}", d.cp);
  text += fmt::format(" pp{}", d.pp);
  if (d.pp > 1) text += " " + c.pipeline.pipeline_schedule;
  if (const auto chunks = c.pipeline.virtual_pipeline_model_parallel_size; chunks > 1)
    text += fmt::format(" v{}", chunks);
  return text + fmt::format(" dp{} zero{}", d.dp, c.zero_optimization.stage);
}

std::vector<RunConfig> layouts_of(const RunConfig& config, int ranks) {
  std::vector<RunConfig> all;
  for (const auto& d : factors(ranks)) {
    if (config.model.num_attention_heads % d.tp != 0 || config.model.kv_heads() % d.tp != 0)
      continue;
    if (d.cp > 1 && config.model.attention_kind != "dense") continue;
    for (const bool rows_split : {false, true}) {
      if (rows_split && d.tp == 1) continue;
      for (const auto& [schedule, chunks] : schedules(d.pp, d.cp))
        for (int64_t stage = 0; stage <= 3; ++stage) {
          if (stage > 0 && d.dp * d.cp == 1) continue;
          RunConfig c = config;
          c.parallel = {d.tp, d.cp, d.pp, rows_split};
          c.pipeline = {schedule, chunks, {}};
          c.zero_optimization.stage = stage;
          c.train.global_batch_size = c.train.micro_batch_size * d.dp * 2 * d.pp;
          all.push_back(shrunk(std::move(c), ranks));
        }
    }
  }
  return all;
}

}  // namespace echelon::trainer
