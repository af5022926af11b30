#include "echelon/checkpoint/config.h"

namespace echelon::checkpoint {

void CheckpointConfig::fields(config::Fields& f) {
  f.on_resume(config::OnResume::may_change);
  f.text("save", save, "Folder of the checkpoints; empty: checkpoints/ in the run directory.");
  f.integer("save_interval", save_interval, {1}, "Steps between two checkpoints.");
  f.boolean("save_last", save_last, "Save after the last step, whatever the interval.");
  f.integer("keep_latest_k", keep_latest_k, {1},
            "Newest complete checkpoints that are kept; older ones are deleted after a new one was "
            "published and checked.");
  f.integer("save_retain_interval", save_retain_interval, {0},
            "Checkpoints whose step is divisible by this stay for ever; 0: none.");
  f.texts("protect", protect, "Names of checkpoints that are never deleted, like step-00001000.");
  f.text(
      "resume", resume,
      "auto: continue from the newest complete checkpoint if there is one; must: an error if "
      "there is none; never: refuse to start over an existing run; or the path of a checkpoint.");
  f.boolean("convert_dtype", convert_dtype,
            "Allow loading weights stored in another floating-point type.");
  f.boolean("allow_nonfinite", allow_nonfinite, "Load tensors that hold NaN or infinity.");
  f.boolean("verify_after_save", verify_after_save,
            "Read every byte back before older checkpoints may be deleted.");
  f.boolean("megatron_tracker", megatron_tracker,
            "Also write latest_checkpointed_iteration.txt, for scripts made for Megatron-LM.");
}

}  // namespace echelon::checkpoint
