// What the program says to words and files, right and wrong.
#include <catch2/catch.hpp>

#include <fstream>

#include "tests/cli/program.h"
#include "tests/support/scratch.h"

using namespace echelon::test;
using Catch::Contains;

namespace {

const std::string kTiny = ECHELON_SOURCE "/configs/test/tiny-gpt2.yaml";

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("every subcommand has a help page that fits a screen", "[cli]") {
  const Scratch folder;
  const auto general = echelon_in(folder, {"--help"});
  CHECK(general.code == 0);
  std::vector<std::string> commands;
  for (const auto& line : lines_of(general.out))
    if (line.starts_with("  ")) commands.push_back(line.substr(2, line.find(' ', 2) - 2));
  CHECK(commands.size() >= 8);
  for (const auto& command : commands) {
    INFO(command);
    const auto help = echelon_in(folder, {command, "--help"});
    CHECK(help.code == 0);
    CHECK(help.err.empty());
    CHECK_THAT(help.out, Contains("echelon " + command));
    const auto lines = lines_of(help.out);
    CHECK(lines.size() <= 30);
    for (const auto& line : lines) CHECK(line.size() <= 120);
  }
}

TEST_CASE("wrong words and keys end with exit code 2, one message and the nearest name", "[cli]") {
  const Scratch folder;
  write(folder.path() / "typo.yaml", "model:\n  hidden_size: 32\n  num_layer: 2\n");
  write(folder.path() / "kind.yaml", "train:\n  train_iters: many\n");
  write(folder.path() / "twice.yaml", "seed: 1\nseed: 2\n");
  struct Wrong {
    std::vector<std::string> words, parts;
  };
  const std::vector<Wrong> cases = {
      {{"trian"}, {"'trian'", "did you mean 'train'?"}},
      {{"train"}, {"found 0 file names"}},
      {{"train", kTiny, "--steps"}, {"'--steps'"}},
      {{"train", "absent.yaml"}, {"absent.yaml"}},
      {{"train", "typo.yaml"}, {"typo.yaml:3:3: ", "model.num_layer'", "'model.num_layers'"}},
      {{"train", "kind.yaml"}, {"kind.yaml:2:16: ", "train.train_iters", "many"}},
      {{"train", "twice.yaml"}, {"twice.yaml:2:1: ", "seed"}},
      {{"train", kTiny, "optimizer.learning_rate=1"}, {"optimizer.learning_rate", "did you mean"}},
      {{"train", kTiny, "train.train_iters=-3"}, {"train.train_iters", "-3"}},
      {{"config", "hlep"}, {"hlep"}},
      {{"generate", "run", "promt=x"}, {"'promt'", "'prompt'"}},
      {{"launch", "np=two", "train", kTiny}, {"np", "two"}},
  };
  for (const auto& [words, parts] : cases) {
    const auto ended = echelon_in(folder, words);
    INFO(ended.err);
    CHECK(ended.code == 2);
    CHECK(messages_of(ended).size() == 1);
    CHECK(lines_of(ended.err).size() == 1);
    for (const auto& part : parts) CHECK_THAT(ended.err, Contains(part));
  }
}

TEST_CASE("impossible layouts are refused before anything is made", "[cli]") {
  const Scratch folder;
  prepare_tiny(folder);
  struct Wrong {
    std::string override, part, key;
  };
  for (const auto& [override, part, key] :
       {Wrong{"train.global_batch_size=7", "V04", "train.global_batch_size"},
        Wrong{"parallel.tensor_model_parallel_size=4", "V01",
              "set tensor_model_parallel_size to 1"},
        Wrong{"model.num_attention_heads=5", "V02", "model.num_attention_heads"}}) {
    const auto ended = echelon_in(folder, train_words({override}));
    INFO(ended.err);
    CHECK(ended.code == 2);
    CHECK_THAT(ended.err, Contains(part) && Contains(key));
    CHECK_FALSE(std::filesystem::exists(folder.path() / "run"));
  }
}

TEST_CASE("the configuration is printed, read back, described and documented", "[cli]") {
  const Scratch folder;
  const auto printed = echelon_in(folder, {"config", kTiny, "seed=7"});
  CHECK(printed.code == 0);
  CHECK_THAT(printed.out, Contains("# command line") && Contains("tiny-gpt2.yaml:"));
  write(folder.path() / "resolved.yaml", printed.out);
  const auto again = echelon_in(folder, {"config", "diff", "resolved.yaml", kTiny});
  CHECK(again.code == 0);
  CHECK(lines_of(again.out).size() == 1);
  CHECK_THAT(again.out, Contains("seed"));

  const auto schema = echelon_in(folder, {"config", "schema"});
  const auto parsed = nlohmann::json::parse(schema.out);
  CHECK(parsed.at("properties").at("model").at("properties").contains("hidden_size"));
  CHECK(echelon_in(folder, {"config", "help", "train.train_iters"}).code == 0);
  CHECK(echelon_in(folder, {"config", "check", kTiny, "np=4"}).code == 0);
  CHECK(echelon_in(folder, {"config", "check", kTiny, "np=3"}).code == 2);
}

TEST_CASE("docs/config.md is what 'echelon config docs' prints", "[cli]") {
  const Scratch folder;
  std::ifstream file(ECHELON_SOURCE "/docs/config.md");
  const std::string committed{std::istreambuf_iterator<char>(file), {}};
  INFO("bring it up to date: echelon config docs > docs/config.md");
  CHECK((echelon_in(folder, {"config", "docs"}).out == committed));
}

TEST_CASE("ranks that are all told something wrong say it once", "[cli][mpi]") {
  const Scratch folder;
  write(folder.path() / "typo.yaml", "model:\n  num_layer: 2\n");
  struct Wrong {
    std::vector<std::string> words;
    int code;
    std::string part;
  };
  for (const auto& [words, code, part] :
       {Wrong{{"trian"}, 2, "did you mean 'train'?"},
        Wrong{{"train", "typo.yaml"}, 2, "typo.yaml:2:3: "},
        Wrong{{"train", kTiny, "train.train_itres=3"}, 2, "'train.train_iters'"},
        Wrong{{"train", kTiny, "data.data_path=[absent]"}, 3, "absent"},
        Wrong{{"eval", "absent"}, 4, "absent"}}) {
    const auto ended = echelon_in(folder, words, 2);
    INFO(ended.err);
    CHECK(ended.code == code);
    CHECK(messages_of(ended).size() == 1);
    CHECK_THAT(ended.err, Contains(part));
  }
}
