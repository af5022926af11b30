#include <algorithm>

#include "src/comm/backoff.h"
#include "src/comm/mpi_job.h"

namespace echelon::comm {

void mpi_failed(int status, const char* call, const char* file, int line) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(status, text, &length);
  fail(ExitCode::communication, "N6",
       "{}:{}: {}: found \"{}\", wanted success; the run ends; look for the rank that failed first",
       file, line, call, std::string(text, static_cast<size_t>(length)));
}

MpiComm::MpiComm(MPI_Comm comm) : comm_(comm) {
  ECH_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
}

MpiComm::~MpiComm() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  // MPI_Comm_free is collective: while an exception unwinds, the others may never come.
  if (!finalized && std::uncaught_exceptions() == 0) MPI_Comm_free(&comm_);
}

void mpi_wait(std::vector<MPI_Request>& requests, std::vector<MPI_Status>* statuses) {
  if (requests.empty()) return;
  if (statuses) statuses->resize(requests.size());
  Backoff backoff;  // each turn also lets MPI make progress
  for (;;) {
    int done = 0;
    ECH_MPI(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                        statuses ? statuses->data() : MPI_STATUSES_IGNORE));
    if (done) return;
    backoff.pause();
  }
}

namespace {

constexpr size_t kPiece = size_t{1} << 30;  // MPI counts are int

struct Piece {
  const Transfer* transfer;
  size_t bytes;
};

void check_received(const Piece& piece, MPI_Status& status, const std::string& group) {
  int found = 0;
  ECH_MPI(MPI_Get_count(&status, MPI_BYTE, &found));
  if (static_cast<size_t>(found) == piece.bytes) return;
  fail(ExitCode::communication, "N4",
       "group {}: recv from {}: found a message of {} bytes, wanted {}; both sides must agree on "
       "the size",
       group, piece.transfer->peer, found, piece.bytes);
}

}  // namespace

void mpi_transfer(MPI_Comm comm, Tag tag, std::span<const Transfer> transfers,
                  const std::string& group) {
  std::vector<MPI_Request> requests;
  std::vector<Piece> pieces;
  const auto start = [&](const Transfer& t) {
    size_t at = 0;
    do {
      const size_t bytes = std::min(kPiece, t.bytes - at);
      const auto count = static_cast<int>(bytes);
      requests.emplace_back();
      pieces.push_back({&t, bytes});
      if (t.sending)
        ECH_MPI(MPI_Isend(t.data + at, count, MPI_BYTE, t.peer, static_cast<int>(tag), comm,
                          &requests.back()));
      else
        ECH_MPI(MPI_Irecv(t.data + at, count, MPI_BYTE, t.peer, static_cast<int>(tag), comm,
                          &requests.back()));
      at += bytes;
    } while (at < t.bytes);
  };
  for (const Transfer& t : transfers)
    if (!t.sending) start(t);
  for (const Transfer& t : transfers)
    if (t.sending) start(t);
  std::vector<MPI_Status> statuses;
  mpi_wait(requests, &statuses);
  for (size_t i = 0; i < pieces.size(); ++i)
    if (!pieces[i].transfer->sending) check_received(pieces[i], statuses[i], group);
}

}  // namespace echelon::comm
