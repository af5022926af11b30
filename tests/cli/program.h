#pragma once
// The echelon program as a user runs it.
#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace echelon::test {

struct Ended {
  int code = -1;  ///< exit code; 128 + signal
  std::string out, err;
  double seconds = 0;
};

/// A program that runs in `folder`, its output caught in files there. Killed when destroyed before
/// it ended.
class Program {
 public:
  Program(const std::filesystem::path& folder, const std::vector<std::string>& words);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  void signal(int number) const;
  bool running();
  /// After more than `limit` seconds it is killed and the test fails.
  Ended wait(double limit = 60);

 private:
  std::filesystem::path out_, err_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
  double start_ = 0;
};

/// `echelon words...` in `folder`; `ranks` > 0: under mpirun.
Ended echelon_in(const std::filesystem::path& folder, std::vector<std::string> words,
                 int ranks = 0);
std::vector<std::string> echelon_words(std::vector<std::string> words, int ranks = 0);

/// Text in tests/data, cut into documents and prepared as <folder>/tiny.bin, .idx, ...
void prepare_tiny(const std::filesystem::path& folder);
/// train configs/test/tiny-gpt2.yaml on that data in the run directory <folder>/run.
std::vector<std::string> train_words(const std::vector<std::string>& overrides = {},
                                     const std::string& model = "tiny-gpt2");

std::vector<std::string> lines_of(const std::string& text);
/// Lines of a program's errors that start like ours.
std::vector<std::string> messages_of(const Ended& ended);
/// The steps of <run>/metrics.jsonl, without the lines of other events; a line half written is left
/// out.
std::vector<nlohmann::json> steps_of(const std::filesystem::path& run);
/// Waits until metrics.jsonl has a step of at least `step`; false after 30 s or when it ended.
bool wait_for_step(Program& program, const std::filesystem::path& run, int64_t step);

}  // namespace echelon::test
