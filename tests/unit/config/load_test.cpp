#include <catch2/catch.hpp>

#include "tests/unit/config/sample.h"

using namespace echelon;
using namespace echelon::config;
using namespace echelon::config::test;

TEST_CASE("a file sets what it names and leaves the defaults", "[config]") {
  Settings settings;
  const Run run = from_text(
      "model:\n  num_layers: 24\n  activation: swiglu\nlr: 1e-3\ntrain: {exit_after: 1h30m}\n"
      "data:\n  weights: [0.5, 1]\n  names:\n    - a\n    - \"b c\"\ncheckpoint:\n  writer:\n"
      "    async_save: false\ndevice_limit: 80GiB\n",
      {}, &settings);
  CHECK(run.model.num_layers == 24);
  CHECK(run.model.hidden_size == 768);
  CHECK(run.model.activation == Activation::swiglu);
  CHECK(run.lr == 1e-3);
  CHECK(run.train.exit_after == 5400.0);
  CHECK(run.data.weights == std::vector<double>{0.5, 1.0});
  CHECK(run.data.names == std::vector<std::string>{"a", "b c"});
  CHECK_FALSE(run.checkpoint.writer.async_save);
  CHECK(run.device_limit == int64_t{80} << 30);
  CHECK(settings.origin("model.num_layers").text() == "run.yaml:2");
  CHECK(settings.origin("model.hidden_size").text() == "default");
}

TEST_CASE("unknown keys name file, line, column and the nearest key", "[config]") {
  const Error e = error_in("model:\n  hidden_size: 64\n  num_layer: 2\n");
  CHECK(e.code() == ExitCode::config);
  CHECK(e.id() == "C1");
  CHECK(std::string(e.what()) ==
        "run.yaml:3:3: unknown key 'model.num_layer'; did you mean 'model.num_layers'?");
}

TEST_CASE("the command line wins over the file and is named as origin", "[config]") {
  Settings settings;
  const Run run = from_text("model: {num_layers: 2, hidden_size: 64}\n",
                            {"model.num_layers=3", "--set", "lr=0.5", "--set=data.weights=[1, 2]",
                             "~model.hidden_size", "data.note=a=b"},
                            &settings);
  CHECK(run.model.num_layers == 3);
  CHECK(run.model.hidden_size == 768);
  CHECK(run.lr == 0.5);
  CHECK(run.data.weights == std::vector<double>{1, 2});
  CHECK(run.data.note == "a=b");
  CHECK(settings.origin("lr").text() == "command line");
  CHECK(settings.origin("model.hidden_size").text() == "default");
}
