#!/usr/bin/env python3
"""GPT-2 training step on the CPU: Echelon and PyTorch side by side, in turn, in one run.

    tests/bench/cpu_vs_torch.py --echelon build/release/bin/echelon --batch 4 --tokens 256 --threads 1 4

Both run a full fp32 step (forward, backward, AdamW, no dropout) of GPT-2 124M on random tokens. Each
round times one side and then the other, so that a machine whose speed drifts slows both; the medians
and the ratio of medians are printed, with Echelon's share of the FMA peak measured beside it.
PyTorch gets its best settings: OPENBLAS_CORETYPE for a processor that OpenBLAS does not know, one
OpenMP pool, as many threads as Echelon.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def torch_steps(batch, tokens, threads, steps):
    """Times `steps` steps after one warm-up; prints a JSON line."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    width, heads, layers, vocab = 768, 12, 12, 50257

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.fc, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            b, t, c = x.shape
            q, k, v = (z.view(b, t, heads, c // heads).transpose(1, 2)
                       for z in self.qkv(self.ln1(x)).split(c, dim=2))
            if hasattr(F, "scaled_dot_product_attention"):
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                mask = torch.ones(t, t, dtype=torch.bool).triu(1)
                score = (q @ k.transpose(-2, -1)) * (q.shape[-1] ** -0.5)
                y = score.masked_fill(mask, float("-inf")).softmax(-1) @ v
            x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
            try:
                h = F.gelu(self.fc(self.ln2(x)), approximate="tanh")
            except TypeError:
                h = F.gelu(self.fc(self.ln2(x)))
            return x + self.out(h)

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.tok, self.pos = nn.Embedding(vocab, width), nn.Embedding(1024, width)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm = nn.LayerNorm(width)
            nn.init.normal_(self.tok.weight, std=0.02)

        def forward(self, x, y):
            h = self.tok(x) + self.pos.weight[: x.shape[1]]
            for block in self.blocks:
                h = block(h)
            logits = F.linear(self.norm(h), self.tok.weight)
            return F.cross_entropy(logits.view(-1, vocab), y.view(-1))

    model = Gpt()
    try:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=True)
    except TypeError:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    x = torch.randint(vocab, (batch, tokens))
    y = torch.randint(vocab, (batch, tokens))
    seconds = []
    for step in range(steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = model(x, y)
        loss.backward()
        optimizer.step()
        float(loss)
        if step:
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "version": torch.__version__}))


def environment(threads):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    env.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
    return env


def run_torch(python, batch, tokens, threads, steps):
    out = subprocess.run([python, __file__, "--torch-side", str(batch), str(tokens), str(threads), str(steps)],
                         env=environment(threads), check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def run_echelon(program, batch, tokens, threads, steps):
    out = subprocess.run([program, "bench", "configs/model/gpt2-124m.yaml", f"model.seq_length={tokens}",
                          f"train.micro_batch_size={batch}", f"train.global_batch_size={batch}",
                          f"train.threads_per_rank={threads}", f"steps={steps}", "json=true"],
                         env=environment(threads), check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def main():
    if "--torch-side" in sys.argv:
        torch_steps(*map(int, sys.argv[sys.argv.index("--torch-side") + 1:]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--echelon", default="build/release/bin/echelon")
    parser.add_argument("--python", nargs="+", default=["/usr/bin/python3"], help="pythons that have torch; each is a peer")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="timed steps per round and side")
    a = parser.parse_args()
    print("| B x T | threads | Echelon tok/s | share of FMA peak | peer | peer tok/s | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for tokens in a.tokens:
        for threads in a.threads:
            ours, share, peers = [], [], {python: [] for python in a.python}
            versions = {}
            for _ in range(a.rounds):
                mine = run_echelon(a.echelon, a.batch, tokens, threads, a.steps)
                ours += mine["step_seconds"]
                share.append(mine["peak_share"])
                for python in a.python:
                    theirs = run_torch(python, a.batch, tokens, threads, a.steps)
                    peers[python] += theirs["seconds"]
                    versions[python] = theirs["version"]
            rate = a.batch * tokens / statistics.median(ours)
            for python in a.python:
                other = a.batch * tokens / statistics.median(peers[python])
                print(f"| {a.batch} x {tokens} | {threads} | {rate:.0f} | {statistics.median(share):.0%} "
                      f"| PyTorch {versions[python]} | {other:.0f} | {rate / other:.2f} |", flush=True)


if __name__ == "__main__":
    main()
