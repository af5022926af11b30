#pragma once
// A configuration with one key of every kind.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "echelon/base/error.h"
#include "echelon/config/fields.h"
#include "echelon/config/load.h"

namespace echelon::config::test {

enum class Activation { gelu, gelu_tanh, swiglu };
inline constexpr std::array<std::string_view, 3> kActivations = {"gelu", "gelu_tanh", "swiglu"};

struct Model {
  int64_t num_layers = 12;
  int64_t hidden_size = 768;
  Activation activation = Activation::gelu;
  void fields(Fields& f) {
    f.integer("num_layers", num_layers, {1, 4096}, "Number of transformer blocks.");
    f.integer("hidden_size", hidden_size, {1, 1 << 20}, "Width of the residual stream.");
    f.choice("activation", activation, kActivations, "Activation of the feed-forward block.");
  }
};

struct Train {
  int64_t micro_batch_size = 1;
  int64_t train_tokens = 0;
  double exit_after = 0;
  void fields(Fields& f) {
    f.integer("micro_batch_size", micro_batch_size, {1, 1 << 20}, "Samples per pass and rank.");
    f.on_resume(OnResume::may_change);
    f.count("train_tokens", train_tokens, {}, "Tokens to train for; 0: unlimited.");
    f.duration("exit_after", exit_after, {}, "Wall time after which to save and stop; 0s: none.");
  }
};

struct Data {
  std::vector<double> weights;
  std::vector<int64_t> splits = {969, 30, 1};
  std::vector<std::string> names;
  std::string note;
  void fields(Fields& f) {
    f.reals("weights", weights, {0, 1e9}, "Weights of the blend.");
    f.integers("splits", splits, {0, 1000}, "Shares of train, valid and test.");
    f.texts("names", names, "Names of the parts.");
    f.text("note", note, "Free text.");
  }
};

struct Nested {
  bool async_save = true;
  void fields(Fields& f) { f.boolean("async_save", async_save, "Write in the background."); }
};

struct Checkpoint {
  std::string save = "runs/default";
  Nested writer;
  void fields(Fields& f) {
    f.on_resume(OnResume::may_change);
    f.path("save", save, "Folder of the checkpoints.");
    f.group("writer", writer, "Writer.");
  }
};

struct Run {
  Model model;
  Train train;
  double lr = 3e-4;
  int64_t device_limit = 0;
  Data data;
  Checkpoint checkpoint;
  void fields(Fields& f) {
    f.group("model", model, "The network.");
    f.group("train", train, "The length of training.");
    f.real("lr", lr, {0, 1}, "Peak learning rate.");
    f.size("device_limit", device_limit, {}, "Memory a rank may use; 0: all.");
    f.group("data", data, "What to train on.");
    f.group("checkpoint", checkpoint, "What to keep.");
  }
};

inline Run from_text(std::string_view text, const std::vector<std::string>& overrides = {},
                     Settings* settings = nullptr, bool allow_env = true) {
  return load_text<Run>(text, "run.yaml", settings, overrides, allow_env);
}

/// The error of a bad input; fails the test when it is accepted.
template <class Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e;
  }
  return Error(ExitCode::ok, "", "accepted");
}
inline Error error_in(std::string_view text, const std::vector<std::string>& overrides = {}) {
  return error_of([&] { from_text(text, overrides); });
}

}  // namespace echelon::config::test
