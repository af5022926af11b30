// tokenizer.json of Hugging Face tokenizers: byte-level BPE, read and written.
#include "tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "byte_level.h"
#include "echelon/base/file.h"
#include "echelon/base/text.h"

namespace echelon::data {

void refuse(const std::string& path, const std::string& field, const std::string& found,
            const std::string& wanted) {
  fail(ExitCode::data, "C9",
       "{}: {}: found {}, wanted {}; the tokenizer is not loaded; use another tokenizer file", path,
       field, text::escaped(found), wanted);
}

nlohmann::ordered_json parse_strict(const std::string& text, const std::string& path) {
  std::vector<std::set<std::string>> names;
  const auto check = [&](int depth, nlohmann::ordered_json::parse_event_t event,
                         nlohmann::ordered_json& value) {
    if (depth > 64) refuse(path, "nesting", "more than 64 levels", "at most 64");
    if (event == nlohmann::ordered_json::parse_event_t::object_start) names.emplace_back();
    if (event == nlohmann::ordered_json::parse_event_t::object_end) names.pop_back();
    if (event == nlohmann::ordered_json::parse_event_t::key &&
        !names.back().insert(value.get<std::string>()).second)
      refuse(path, value.get<std::string>(), "the name twice", "it once");
    return true;
  };
  try {
    return nlohmann::ordered_json::parse(text, check);
  } catch (const nlohmann::json::exception& e) {
    refuse(path, "JSON", e.what(), "a JSON text");
  }
}

namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json pre_tokenizer(Splitter splitter) {
  if (splitter == Splitter::none || splitter == Splitter::gpt2)
    return byte_level(splitter == Splitter::gpt2);
  const auto pattern = splitter == Splitter::llama3 ? kLlama3Pattern : kQwen2Pattern;
  const Json split{{"type", "Split"},
                   {"pattern", {{"Regex", pattern}}},
                   {"behavior", "Isolated"},
                   {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level(false)})}};
}

/// Reads one tokenizer.json; every method refuses what it does not support.
class Reader {
 public:
  Reader(const std::string& text, std::string path)
      : path_(std::move(path)), json_(parse_strict(text, path_)) {
    if (!json_.is_object() || !json_.contains("model"))
      refuse(path_, "model", "nothing", "a tokenizer.json");
  }

  BpeModel model() {
    null_only("normalizer");
    read_pre_tokenizer(json_.value("pre_tokenizer", Json()));
    read_post_processor(json_.value("post_processor", Json()));
    if (const Json decoder = json_.value("decoder", Json()); !decoder.is_null())
      of_type(decoder, "decoder", "ByteLevel");
    const Json& bpe = json_.at("model");
    of_type(bpe, "model", "BPE");
    check_bpe(bpe);
    read_added(json_.value("added_tokens", Json::array()));
    read_vocab(bpe.at("vocab"));
    read_merges(bpe.at("merges"));
    model_.ignore_merges = bpe.value("ignore_merges", false);
    for (const auto* name : {"<|endoftext|>", "<|end_of_text|>", "</s>"})
      if (const auto found = model_.specials.find(name);
          model_.end_of_text < 0 && found != model_.specials.end())
        model_.end_of_text = found->second;
    return std::move(model_);
  }

 private:
  void null_only(const std::string& field) {
    if (const Json part = json_.value(field, Json()); !part.is_null())
      refuse(path_, field, part.value("type", part.dump()), "null");
  }
  void of_type(const Json& part, const std::string& field, const std::string& type) {
    const std::string found = part.is_object() ? part.value("type", "no type") : part.dump();
    // Files of old versions leave out the model's type.
    if (found != type && !(field == "model" && found == "no type"))
      refuse(path_, field, found, type);
  }

  void read_pre_tokenizer(const Json& part) {
    if (!part.is_object())
      refuse(path_, "pre_tokenizer", part.dump(), "ByteLevel, or Split and ByteLevel");
    if (part.value("type", "") == "Sequence") {
      const Json& parts = part.at("pretokenizers");
      if (parts.size() != 2) refuse(path_, "pre_tokenizer", parts.dump(), "Split, then ByteLevel");
      read_split(parts[0]);
      read_byte_level(parts[1]);
      if (parts[1].value("use_regex", true))
        refuse(path_, "pre_tokenizer.use_regex", "true", "false after a Split");
      return;
    }
    read_byte_level(part);
    model_.splitter = part.value("use_regex", true) ? Splitter::gpt2 : Splitter::none;
  }
  void read_byte_level(const Json& part) {
    of_type(part, "pre_tokenizer", "ByteLevel");
    if (part.value("add_prefix_space", true))
      refuse(path_, "pre_tokenizer.add_prefix_space", "true", "false");
  }
  void read_split(const Json& part) {
    of_type(part, "pre_tokenizer", "Split");
    const std::string pattern = part.at("pattern").value("Regex", part.at("pattern").dump());
    if (pattern == kGpt2Pattern)
      model_.splitter = Splitter::gpt2;
    else if (pattern == kLlama3Pattern)
      model_.splitter = Splitter::llama3;
    else if (pattern == kQwen2Pattern)
      model_.splitter = Splitter::qwen2;
    else
      refuse(path_, "pre_tokenizer.pattern", pattern, "the pattern of GPT-2, LLaMA-3 or Qwen2");
    if (part.value("behavior", "") != "Isolated" || part.value("invert", false))
      refuse(path_, "pre_tokenizer.behavior", part.value("behavior", ""), "Isolated, not inverted");
  }
  /// A template adds ids around a whole text; training documents are ended by us, so it is ignored.
  void read_post_processor(const Json& part) {
    if (part.is_null()) return;
    const std::string type = part.value("type", "no type");
    if (type == "Sequence")
      for (const Json& inner : part.at("processors")) read_post_processor(inner);
    else if (type != "ByteLevel" && type != "TemplateProcessing")
      refuse(path_, "post_processor", type, "ByteLevel or TemplateProcessing");
  }

  void check_bpe(const Json& bpe) {
    for (const auto* field :
         {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"})
      if (const Json value = bpe.value(field, Json());
          !value.is_null() && value != "" && value != 0.0)
        refuse(path_, std::string("model.") + field, value.dump(), "null");
    if (bpe.value("byte_fallback", false)) refuse(path_, "model.byte_fallback", "true", "false");
  }

  void place(const std::string& field, int64_t id, std::string bytes) {
    if (id < 0 || id >= kLargestVocabulary)
      refuse(path_, field, fmt::format("id {}", id),
             fmt::format("0 to {}", kLargestVocabulary - 1));
    const auto at = static_cast<size_t>(id);
    if (at >= model_.tokens.size()) {
      model_.tokens.resize(at + 1);
      used_.resize(at + 1);
    }
    if (used_[at] && model_.tokens[at] != bytes)
      refuse(path_, field, fmt::format("id {} twice", id), "each id once");
    used_[at] = true;
    model_.tokens[at] = std::move(bytes);
  }

  void read_added(const Json& added) {
    for (const Json& token : added) {
      const auto content = token.at("content").get<std::string>();
      for (const auto* flag : {"lstrip", "rstrip", "single_word"})
        if (token.value(flag, false))
          refuse(path_, "added_tokens." + content, std::string(flag) + " true", "false");
      const auto id = token.at("id").get<int64_t>();
      place("added_tokens", id, content);
      if (content.empty()) refuse(path_, "added_tokens", "an empty token", "some text");
      model_.specials[content] = static_cast<int32_t>(id);
    }
  }
  void read_vocab(const Json& vocab) {
    for (const auto& [characters, id] : vocab.items()) {
      const auto value = id.get<int64_t>();
      ids_[characters] = static_cast<int32_t>(value);
      if (model_.specials.contains(characters)) {
        place("model.vocab", value, characters);
        continue;
      }
      const auto bytes = from_byte_level(characters);
      if (!bytes) refuse(path_, "model.vocab", characters, "characters that stand for bytes");
      place("model.vocab", value, *bytes);
    }
    for (size_t b = 0; b < 256; ++b) {
      const char byte = static_cast<char>(b);
      const auto found = ids_.find(to_byte_level({&byte, 1}));
      if (found == ids_.end())
        refuse(path_, "model.vocab", fmt::format("no token for byte {}", b), "all 256 bytes");
      model_.byte_ids[b] = found->second;
    }
  }
  void read_merges(const Json& merges) {
    for (const Json& merge : merges) {
      std::string left, right;
      if (merge.is_array() && merge.size() == 2) {
        left = merge[0].get<std::string>();
        right = merge[1].get<std::string>();
      } else {
        const auto both = merge.get<std::string>();
        const size_t gap = both.find(' ');
        if (gap == std::string::npos) refuse(path_, "model.merges", both, "two tokens and a space");
        left = both.substr(0, gap);
        right = both.substr(gap + 1);
      }
      const auto a = ids_.find(left), b = ids_.find(right), c = ids_.find(left + right);
      if (a == ids_.end() || b == ids_.end() || c == ids_.end())
        refuse(path_, fmt::format("model.merges[{}]", model_.merges.size()), left + " " + right,
               "tokens of the vocabulary, also joined");
      model_.merges.push_back({a->second, b->second, c->second});
    }
  }

  std::string path_;
  Json json_;
  BpeModel model_;
  std::vector<bool> used_;
  std::unordered_map<std::string, int32_t> ids_;
};

}  // namespace

std::string tokenizer_json(const BpeModel& model) {
  Json added = Json::array(), vocab = Json::object(), merges = Json::array();
  for (const auto& [content, id] : model.specials)
    added.push_back({{"id", id},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  const auto shown = [&](int32_t id) {
    return to_byte_level(model.tokens[static_cast<size_t>(id)]);
  };
  // ordered_json looks names up one by one: append instead.
  auto& entries = vocab.get_ref<Json::object_t&>();
  for (size_t id = 0; id < model.tokens.size(); ++id) {
    const auto& token = model.tokens[id];
    if (token.empty()) continue;
    const bool special = model.specials.contains(token);
    static_cast<std::vector<std::pair<const std::string, Json>>&>(entries).emplace_back(
        special ? token : to_byte_level(token), id);
  }
  for (const auto& m : model.merges) merges.push_back(shown(m.left) + " " + shown(m.right));
  const Json bpe{{"type", "BPE"},
                 {"dropout", nullptr},
                 {"unk_token", nullptr},
                 {"continuing_subword_prefix", ""},
                 {"end_of_word_suffix", ""},
                 {"fuse_unk", false},
                 {"byte_fallback", false},
                 {"ignore_merges", model.ignore_merges},
                 {"vocab", vocab},
                 {"merges", merges}};
  const Json json{{"version", "1.0"},
                  {"truncation", nullptr},
                  {"padding", nullptr},
                  {"added_tokens", added},
                  {"normalizer", nullptr},
                  {"pre_tokenizer", pre_tokenizer(model.splitter)},
                  {"post_processor", nullptr},
                  {"decoder", byte_level(true)},
                  {"model", bpe}};
  return json.dump(1) + "\n";
}

std::unique_ptr<Tokenizer> parse_tokenizer(const std::string& json, const std::string& name) {
  try {
    return make_bpe_tokenizer(Reader(json, name).model());
  } catch (const nlohmann::json::exception& e) {
    refuse(name, "structure", e.what(), "a tokenizer.json");
  }
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  return parse_tokenizer(read_file(path, kLargestTokenizer, ExitCode::data), path.string());
}

}  // namespace echelon::data
