// echelon launch: starts the ranks with mpirun, or with srun inside a Slurm allocation.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "echelon/base/error.h"
#include "echelon/base/text.h"
#include "echelon/device/device.h"
#include "src/app/commands.h"
#include "src/app/environment.h"

namespace echelon::app {

namespace {

constexpr const char* kHelp =
    R"(usage: echelon launch [np=N] [threads=T] [dry_run=true] COMMAND [arguments of COMMAND]

Starts N ranks of 'echelon COMMAND ...' and prints the command that does it.
  np        ranks; default: one per usable core (in a Slurm allocation: its task count)
  threads   compute threads per rank; default: cores / ranks
  dry_run   print the command, start nothing
Inside a Slurm allocation srun --mpi=pmix starts the ranks, elsewhere mpirun on this machine.
Ctrl-C once: all ranks finish their step, save a checkpoint and stop. Twice: they end at once.

example: echelon launch np=4 train configs/run/quickstart.yaml train.train_iters=100
)";

int positive(const std::string& word, const std::string& value) {
  int n = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
  if (error != std::errc() || end != value.data() + value.size() || n < 1 || n > 1 << 20)
    fail(ExitCode::config, "C21",
         "command line: {}: found '{}', wanted a whole number from 1 to 1048576", word,
         text::escaped(value));
  return n;
}

struct Plan {
  int ranks = 0, threads = 0;
  bool dry_run = false;
  std::vector<std::string> command;  // COMMAND and its arguments
};

Plan parse(const Arguments& arguments) {
  Plan plan;
  size_t i = 0;
  for (; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const auto equals = word.find('=');
    if (equals == std::string::npos) break;
    const auto key = word.substr(0, equals), value = word.substr(equals + 1);
    if (key == "np")
      plan.ranks = positive(key, value);
    else if (key == "threads")
      plan.threads = positive(key, value);
    else if (key == "dry_run")
      plan.dry_run = value == "true";
    else
      fail(ExitCode::config, "C21",
           "command line: found '{}' before the command, wanted np=, threads= or dry_run=",
           text::escaped(word));
  }
  plan.command.assign(arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end());
  if (plan.command.empty())
    fail(ExitCode::config, "C21",
         "command line: found no command to launch, wanted for example: echelon launch np=4 train "
         "run.yaml");
  return plan;
}

std::string own_path() {
  char buffer[4096];
  const ssize_t n = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "echelon";
}

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

std::vector<std::string> srun_words(Plan plan) {
  if (plan.ranks == 0)
    if (const char* tasks = environment("SLURM_NTASKS"))
      plan.ranks = positive("SLURM_NTASKS", tasks);
  std::vector<std::string> words = {"srun", "--mpi=pmix", "--kill-on-bad-exit=1"};
  if (plan.ranks > 0) words.push_back(fmt::format("--ntasks={}", plan.ranks));
  if (plan.threads > 0)
    words.push_back(fmt::format("--cpus-per-task={}", plan.threads));
  else if (const char* cpus = environment("SLURM_CPUS_PER_TASK"))
    words.push_back(fmt::format("--cpus-per-task={}", cpus));
  return words;
}

std::vector<std::string> mpirun_words(Plan plan) {
  const int cores = usable_cores();
  if (plan.ranks == 0) plan.ranks = cores;
  if (plan.threads == 0) plan.threads = std::max(1, cores / plan.ranks);
  std::vector<std::string> words = {
      "mpirun", "--quiet",         "-np",   std::to_string(plan.ranks), "--bind-to",
      "none",   "--oversubscribe", "--mca", "mpi_yield_when_idle",      "1"};
  if (::geteuid() == 0) words.push_back("--allow-run-as-root");
  words.insert(words.end(), {"-x", fmt::format("OMP_NUM_THREADS={}", plan.threads)});
  if (!waiting_is_settled())
    words.insert(words.end(), {"-x", fmt::format("GOMP_SPINCOUNT={}", kSpinCount)});
  winsize size{};  // rank 0 draws its progress line through mpirun's pipe
  if (::isatty(STDERR_FILENO) == 1 && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 &&
      size.ws_col > 0)
    words.insert(words.end(),
                 {"-x", fmt::format("ECHELON_TERMINAL_WIDTH={}", size.ws_col), "-x", "TERM"});
  return words;
}

std::string quoted(const std::string& word) {
  const bool plain =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%") ==
          std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// Waits for the launcher and passes signals on: the first interrupt asks the ranks to save and
/// stop (mpirun and srun hand USR1 to them), a further one ends them.
int wait_for(pid_t pid, const sigset_t& signals) {
  for (int interrupts = 0;;) {
    const int signal = ::sigwaitinfo(&signals, nullptr);
    if (signal == SIGCHLD) {
      int status = 0;
      if (::waitpid(pid, &status, WNOHANG) == pid)
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (signal == SIGUSR1 || signal == SIGUSR2) {
      ::kill(pid, signal);
    } else if (signal > 0) {
      ::kill(pid, ++interrupts == 1 && signal == SIGINT ? SIGUSR1 : SIGTERM);
      if (interrupts == 1)
        fmt::print(
            stderr,
            "\nechelon: stopping all ranks after this step; Ctrl-C again ends them at once\n");
    }
  }
}

/// mpirun is told to be quiet, for it repeats what the ranks say: what it alone knows is said here.
void explain(int code) {
  if (code > 128)
    fmt::print(stderr, "echelon: error: a rank was ended by signal {} ({})\n", code - 128,
               ::strsignal(code - 128));
  if (code == 1)
    fmt::print(stderr,
               "echelon: error: the launcher ended with code 1; the command above without --quiet "
               "tells more\n");
}

int start(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  sigset_t signals, before;
  sigemptyset(&signals);
  for (const int s : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD}) sigaddset(&signals, s);
  ::sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t pid = ::fork();
  if (pid < 0)
    fail(ExitCode::environment, "E5", "starting {} failed: {}", words[0], std::strerror(errno));
  if (pid == 0) {
    ::setpgid(0, 0);  // Ctrl-C of the terminal reaches this program alone, which passes it on
    if (const int null = ::open("/dev/null", O_RDONLY); null >= 0) ::dup2(null, 0);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::execvp(argv[0], argv.data());
    fmt::print(stderr,
               "echelon: error E5: {}: {}; install Open MPI (openmpi-bin) or run inside Slurm\n",
               words[0], std::strerror(errno));
    ::_exit(static_cast<int>(ExitCode::environment));
  }
  return wait_for(pid, signals);
}

}  // namespace

int run_launch(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    fmt::print("{}", kHelp);
    return arguments.empty() ? static_cast<int>(ExitCode::config) : 0;
  }
  const Plan plan = parse(arguments);
  auto words = environment("SLURM_JOB_ID") ? srun_words(plan) : mpirun_words(plan);
  words.push_back(own_path());
  words.insert(words.end(), plan.command.begin(), plan.command.end());
  std::vector<std::string> shown;
  for (const auto& word : words) shown.push_back(quoted(word));
  fmt::print("{}\n", text::join(shown, " "));
  std::fflush(stdout);
  if (plan.dry_run) return 0;
  const int code = start(words);
  explain(code);
  return code;
}

}  // namespace echelon::app
