// From text to a trained model, with stops and starts in between.
#include <signal.h>
#include <catch2/catch.hpp>

#include "tests/cli/program.h"
#include "tests/support/scratch.h"

using namespace echelon::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> launched(std::vector<std::string> words, int ranks = 2) {
  words.insert(words.begin(), {"launch", "np=" + std::to_string(ranks), "threads=1"});
  return words;
}

bool holds(const fs::path& folder, const std::string& prefix) {
  if (fs::is_directory(folder))
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().filename().string().starts_with(prefix)) return true;
  return false;
}

/// steps 1, 2, ... n, each once.
void check_counts(const std::vector<nlohmann::json>& steps, size_t n) {
  REQUIRE(steps.size() == n);
  for (size_t i = 0; i < n; ++i) CHECK(steps[i].at("step") == i + 1);
}

/// The generated text without the line in which launch shows its command.
std::string text_after_command(const std::string& out) { return out.substr(out.find('\n') + 1); }

}  // namespace

TEST_CASE("prepare, train, continue, generate, evaluate", "[cli][mpi]") {
  const std::string model = GENERATE("tiny-gpt2", "tiny-llama");
  const Scratch folder;
  prepare_tiny(folder);
  const auto run = folder.path() / "run";

  const auto first = echelon_in(folder, launched(train_words({}, model)));
  INFO(first.err);
  REQUIRE(first.code == 0);
  check_counts(steps_of(run), 20);
  CHECK(steps_of(run).back().at("loss") < 0.85 * steps_of(run).front().at("loss").get<double>());
  CHECK(steps_of(run)[9].contains("val_loss"));
  for (const char* file : {"metrics.csv", "report.html", "loss.svg", "resolved.yaml"})
    CHECK(fs::file_size(run / file) > 100);
  CHECK(holds(run / "events", "events.out.tfevents."));
  CHECK(fs::exists(run / "checkpoints" / "step-00000020" / "manifest.json"));

  const auto second = echelon_in(folder, launched(train_words({"train.train_iters=30"}, model)));
  INFO(second.err);
  REQUIRE(second.code == 0);
  CHECK_THAT(second.err, Contains("continues after step 20"));
  check_counts(steps_of(run), 30);

  const std::vector<std::string> words = {"generate", "run", "prompt=In the", "max_new_tokens=40",
                                          "seed=3"};
  const auto alone = echelon_in(folder, words), split = echelon_in(folder, launched(words));
  CHECK(alone.code == 0);
  CHECK(split.code == 0);
  CHECK(alone.out.size() > 20);
  CHECK(text_after_command(split.out) == alone.out);
  auto other_seed = words;
  other_seed.back() = "seed=4";
  CHECK(echelon_in(folder, other_seed).out != alone.out);

  const auto loss = echelon_in(folder, {"eval", "run"});
  CHECK(loss.code == 0);
  CHECK_THAT(loss.out, Contains("\nloss: ") && Contains("bits_per_byte: "));
  CHECK(text_after_command(echelon_in(folder, launched({"eval", "run"})).out) == loss.out);
  CHECK(echelon_in(folder, {"inspect", "run", "verify=true"}).code == 0);
}

namespace {

/// Stops a run by `signal` some steps in, continues it, and compares it with one that never
/// stopped.
void check_stop(int signal, bool with_ranks) {
  const Scratch folder;
  prepare_tiny(folder);
  const auto run = folder.path() / "run";
  const auto words = [&](const std::string& iterations, const std::string& directory = "run") {
    auto all = train_words({"train.train_iters=" + iterations, "train.eval_interval=0",
                            "scheduler.lr_decay_style=constant", "checkpoint.save_interval=100000",
                            "run_dir=" + directory});
    return with_ranks ? launched(all) : all;
  };
  Program program(folder, echelon_words(words("1000000")));
  REQUIRE(wait_for_step(program, run, 5));
  program.signal(signal);
  const auto stopped = program.wait();
  INFO(stopped.err);
  REQUIRE(stopped.code == 20);
  CHECK(messages_of(stopped).empty());
  const auto reached = steps_of(run).size();
  CHECK(holds(run / "checkpoints", "step-"));

  const auto end = std::to_string(reached + 5);
  const auto rest = echelon_in(folder, words(end));
  INFO(rest.err);
  REQUIRE(rest.code == 0);
  REQUIRE(echelon_in(folder, words(end, "straight")).code == 0);
  const auto broken = steps_of(run), straight = steps_of(folder.path() / "straight");
  check_counts(broken, reached + 5);
  check_counts(straight, reached + 5);
  for (size_t i = 0; i < broken.size(); ++i) CHECK(broken[i].at("loss") == straight[i].at("loss"));
}

}  // namespace

TEST_CASE("SIGUSR1 saves and stops all ranks, then the same command goes on with the same losses",
          "[cli][mpi]") {
  check_stop(SIGUSR1, true);
}
TEST_CASE("SIGINT saves and stops all ranks, then the same command goes on with the same losses",
          "[cli][mpi]") {
  check_stop(SIGINT, true);
}
TEST_CASE("SIGINT and SIGUSR1 save and stop a run of one rank", "[cli]") {
  check_stop(GENERATE(SIGINT, SIGUSR1), false);
}

TEST_CASE("a token file that was cut off is refused with exit code 3", "[cli]") {
  const Scratch folder;
  prepare_tiny(folder);
  fs::resize_file(folder.path() / "tiny.bin", fs::file_size(folder.path() / "tiny.bin") / 2);
  const auto ended = echelon_in(folder, train_words());
  INFO(ended.err);
  CHECK(ended.code == 3);
  CHECK(messages_of(ended).size() == 1);
  CHECK_THAT(ended.err, Contains("tiny.bin") && Contains("found") && Contains("wanted"));
}

TEST_CASE("a run directory in use is refused with exit code 12, the run in it goes on", "[cli]") {
  const Scratch folder;
  prepare_tiny(folder);
  Program first(folder, echelon_words(train_words({"train.train_iters=1000000"})));
  REQUIRE(wait_for_step(first, folder.path() / "run", 3));
  const auto second = echelon_in(folder, train_words({"train.train_iters=1000000"}));
  INFO(second.err);
  CHECK(second.code == 12);
  CHECK(messages_of(second).size() == 1);
  CHECK_THAT(second.err, Contains("run"));
  const auto steps = steps_of(folder.path() / "run").back().at("step").get<int64_t>();
  CHECK(wait_for_step(first, folder.path() / "run", steps + 3));
  first.signal(SIGUSR1);
  CHECK(first.wait().code == 20);
}

TEST_CASE("a tiny model's first step is there within a second", "[cli]") {
  const Scratch folder;
  prepare_tiny(folder);
  const auto ended =
      echelon_in(folder, train_words({"train.train_iters=1", "checkpoint.save_last=false",
                                      "scheduler.lr_warmup_iters=0"}));
  CHECK(ended.code == 0);
  WARN("start, one step and end took " << ended.seconds << " s");
  CHECK(ended.seconds < 5);  // civil to busy machines
}
TEST_CASE("training without a validation share says so and goes on", "[cli]") {
  const Scratch folder;
  prepare_tiny(folder);
  const auto ended = echelon_in(folder, train_words({"data.split=[1, 0, 0]"}));
  INFO(ended.err);
  CHECK(ended.code == 0);
  CHECK_THAT(ended.err, Contains("no validation"));
}
