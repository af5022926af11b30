#include "tests/cli/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace echelon::test {

namespace fs = std::filesystem;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

[[noreturn]] void become(const fs::path& folder, const std::vector<std::string>& words,
                         const fs::path& out, const fs::path& err) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const auto to = [](const fs::path& path, int target) {
    ::dup2(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), target);
  };
  to(out, STDOUT_FILENO), to(err, STDERR_FILENO);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  ::setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", 1);
  if (::chdir(folder.c_str()) == 0) ::execvp(argv[0], argv.data());
  ::_exit(126);
}

}  // namespace

Program::Program(const fs::path& folder, const std::vector<std::string>& words) : start_(now()) {
  static int number = 0;
  out_ = folder / fmt::format("out.{}", ++number);
  err_ = folder / fmt::format("err.{}", number);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) become(folder, words, out_, err_);
}

Program::~Program() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
}

void Program::signal(int number) const { ::kill(pid_, number); }

bool Program::running() {
  if (!ended_) ended_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
  return !ended_;
}

Ended Program::wait(double limit) {
  const double from = now();
  while (running()) {
    if (now() - from > limit)
      throw std::runtime_error(fmt::format("still running after {} s; output: {}{}", limit,
                                           text_of(out_), text_of(err_)));
    pause();
  }
  const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  return {code, text_of(out_), text_of(err_), now() - start_};
}

std::vector<std::string> echelon_words(std::vector<std::string> words, int ranks) {
  std::vector<std::string> all;
  if (ranks > 0)
    all = {"mpirun", "--quiet",         "-np",   std::to_string(ranks), "--bind-to",
           "none",   "--oversubscribe", "--mca", "mpi_yield_when_idle", "1"};
  all.push_back(ECHELON_PROGRAM);
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

Ended echelon_in(const fs::path& folder, std::vector<std::string> words, int ranks) {
  return Program(folder, echelon_words(std::move(words), ranks)).wait();
}

void prepare_tiny(const fs::path& folder) {
  const auto lines = lines_of(text_of(ECHELON_SOURCE "/tests/data/genesis.txt"));
  std::ofstream out(folder / "tiny.jsonl");
  for (size_t i = 0; i < lines.size(); i += 10) {
    std::string document;
    for (size_t k = i; k < std::min(i + 10, lines.size()); ++k) document += lines[k] + "\n";
    out << nlohmann::json{{"text", document}}.dump() << "\n";
  }
  out.close();
  const auto ended = echelon_in(folder, {"prepare", "tiny.jsonl", "output=tiny"});
  if (ended.code != 0) throw std::runtime_error("prepare failed: " + ended.err);
}

std::vector<std::string> train_words(const std::vector<std::string>& overrides,
                                     const std::string& model) {
  std::vector<std::string> words = {"train", ECHELON_SOURCE "/configs/test/" + model + ".yaml",
                                    "data.data_path=[tiny]", "run_dir=run"};
  words.insert(words.end(), overrides.begin(), overrides.end());
  return words;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> messages_of(const Ended& ended) {
  std::vector<std::string> messages;
  for (const auto& line : lines_of(ended.err))
    if (line.starts_with("echelon: error")) messages.push_back(line);
  return messages;
}

std::vector<nlohmann::json> steps_of(const fs::path& run) {
  std::vector<nlohmann::json> steps;
  for (const auto& line : lines_of(text_of(run / "metrics.jsonl"))) {
    auto record = nlohmann::json::parse(line, nullptr, false);
    if (record.is_object() && !record.contains("event")) steps.push_back(std::move(record));
  }
  return steps;
}

bool wait_for_step(Program& program, const fs::path& run, int64_t step) {
  for (const double from = now(); now() - from < 30; pause()) {
    const auto steps = steps_of(run);
    if (!steps.empty() && steps.back().at("step").get<int64_t>() >= step) return true;
    if (!program.running()) return false;
  }
  return false;
}

}  // namespace echelon::test
