#include "echelon/telemetry/nvtx.h"

#if __has_include(<nvtx3/nvToolsExt.h>)

#include <nvtx3/nvToolsExt.h>

#include <map>
#include <mutex>
#include <string>

namespace echelon::telemetry {

namespace {

class NvtxTrace : public TraceSink {
 public:
  NvtxTrace() : domain_(nvtxDomainCreateA("echelon")) {}
  ~NvtxTrace() override { nvtxDomainDestroy(domain_); }
  NvtxTrace(const NvtxTrace&) = delete;
  NvtxTrace& operator=(const NvtxTrace&) = delete;

  void begin(std::string_view name, std::string_view category, int64_t payload) override {
    nvtxEventAttributes_t event{};
    event.version = NVTX_VERSION;
    event.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    event.messageType = NVTX_MESSAGE_TYPE_REGISTERED;
    event.payloadType = NVTX_PAYLOAD_TYPE_INT64;
    event.payload.llValue = payload;
    {
      const std::lock_guard lock(mutex_);
      event.message.registered = registered(name);
      event.category = category_number(category);
    }
    nvtxDomainRangePushEx(domain_, &event);
  }
  void end() override { nvtxDomainRangePop(domain_); }

 private:
  nvtxStringHandle_t registered(std::string_view name) {
    const auto it = names_.find(name);
    if (it != names_.end()) return it->second;
    const std::string text(name);
    return names_[text] = nvtxDomainRegisterStringA(domain_, text.c_str());
  }
  uint32_t category_number(std::string_view name) {
    const auto it = categories_.find(name);
    if (it != categories_.end()) return it->second;
    const std::string text(name);
    const auto number = static_cast<uint32_t>(categories_.size() + 1);
    nvtxDomainNameCategoryA(domain_, number, text.c_str());
    return categories_[text] = number;
  }

  nvtxDomainHandle_t domain_;
  std::mutex mutex_;
  std::map<std::string, nvtxStringHandle_t, std::less<>> names_;
  std::map<std::string, uint32_t, std::less<>> categories_;
};

}  // namespace

std::unique_ptr<TraceSink> make_nvtx_trace() { return std::make_unique<NvtxTrace>(); }

}  // namespace echelon::telemetry

#else

namespace echelon::telemetry {

std::unique_ptr<TraceSink> make_nvtx_trace() { return nullptr; }

}  // namespace echelon::telemetry

#endif
