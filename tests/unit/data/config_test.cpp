#include "echelon/data/config.h"

#include <catch2/catch.hpp>

#include "data_support.h"
#include "echelon/config/load.h"
#include "echelon/data/prepare.h"

using namespace echelon;
using namespace echelon::data;
using namespace echelon::data::test;

namespace {
struct Run {
  DataConfig data;
  void fields(config::Fields& f) { f.group("data", data, "Data."); }
};
}  // namespace

TEST_CASE("The data block is read as documented", "[data]") {
  const auto run = config::load_text<Run>(R"(
data:
  data_path: [0.3, a, 0.7, b]
  split: [98, 2]
  order: megatron
  io: mmap
  eod_mask_loss: true
  tokenizer: {type: gpt2, vocab_file: v.json, merge_file: m.txt}
)",
                                          "run.yaml");
  CHECK(run.data.order == Order::megatron);
  CHECK(run.data.io == FileIo::mmap);
  CHECK(run.data.split == std::vector<double>{98, 2});
  CHECK(run.data.eod_mask_loss);
  CHECK(run.data.tokenizer.type == TokenizerKind::gpt2);
  CHECK(run.data.tokenizer.merge_file == "m.txt");
  const auto paths = paths_of(run.data, Split::valid);
  CHECK(paths.cut);
  REQUIRE(paths.paths.size() == 2);
  CHECK(paths.paths[0].weight == 0.3);
  CHECK(paths.paths[1].path == "b");
}

TEST_CASE("Every key of the data and prepare blocks has a text", "[data]") {
  for (const auto& settings :
       {config::settings_of(DataConfig{}), config::settings_of(PrepareOptions{})}) {
    CHECK(settings.items.size() > 8);
    for (const auto& setting : settings.items) CHECK(setting.key.doc.size() > 10);
  }
  CHECK(config::load_text<PrepareOptions>("output: x\nshard_tokens: 5M\ntrain_splitter: llama3\n",
                                          "p.yaml")
            .shard_tokens == 5'000'000);
}
