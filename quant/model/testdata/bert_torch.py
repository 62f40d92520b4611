"""Prints golden vectors of a tiny BERT, computed by torch.nn (python3-torch 1.13 of Debian), as bert.json.

    python3 bert_torch.py > bert.json

The weights come from a formula, the same as in bert_test.go, so none are stored. What torch computes here is
torch.nn.functional's own layer norm, scaled attention by matrices, GELU (exact and tanh) and embedding."""
import json
import math

import torch
from torch.nn import functional as F

W, HEADS, INNER, LAYERS, VOCAB, PLACES = 12, 3, 20, 2, 29, 18
EPS = 1e-12


def numbers(name, *shape, scale=0.5, shift=0.0):
    """A formula: the fractional part of a sine that the name and the place give."""
    seed = sum((i + 1) * b for i, b in enumerate(name.encode()))
    n = math.prod(shape)
    v = [math.sin(seed * 0.1 + i * 12.9898) * 43758.5453 for i in range(n)]
    v = [(x - math.floor(x) - 0.5) * 2 * scale + shift for x in v]
    return torch.tensor(v, dtype=torch.float32).reshape(*shape)


def dense(x, name, out, inn):
    return F.linear(x, numbers(name + ".weight", out, inn), numbers(name + ".bias", out, scale=0.1))


def norm(x, name):
    return F.layer_norm(x, (W,), numbers(name + ".scale", W, scale=0.3, shift=1.0), numbers(name + ".bias", W, scale=0.1), EPS)


def encode(ids, activation, pooling, first, kinds):
    ids = torch.tensor(ids)
    x = F.embedding(ids, numbers("embeddings.weight", VOCAB, W))
    if kinds:
        x = x + numbers("token_types.weight", 2, W)[0]
    x = x + F.embedding(torch.arange(first, first + len(ids)), numbers("position.weight", PLACES, W))
    x = norm(x, "embeddings_norm")
    for i in range(LAYERS):
        p = f"layers.{i}."
        q, k, v = dense(x, p + "attention.qkv", 3 * W, W).split(W, dim=-1)
        heads = lambda t: t.reshape(len(ids), HEADS, W // HEADS).transpose(0, 1)
        scores = heads(q) @ heads(k).transpose(1, 2) / math.sqrt(W // HEADS)
        mixed = (F.softmax(scores, dim=-1) @ heads(v)).transpose(0, 1).reshape(len(ids), W)
        x = norm(x + dense(mixed, p + "attention.output", W, W), p + "attention_norm")
        up = dense(x, p + "ffn.up", INNER, W)
        up = {"gelu": F.gelu, "gelu-tanh": lambda t: F.gelu(t, approximate="tanh"), "relu": F.relu}[activation](up)
        x = norm(x + dense(up, p + "ffn.down", W, INNER), p + "ffn_norm")
    v = x[0] if pooling == "cls" else x.mean(0)
    return F.normalize(v, dim=0).tolist()


def main():
    out = []
    for activation, pooling, first, kinds in [("gelu", "mean", 0, True), ("gelu-tanh", "cls", 2, True), ("relu", "mean", 2, False)]:
        for ids in [[2, 3], [2, 5, 7, 11, 13, 17, 19, 3], [2, 28, 4, 4, 4, 9, 10, 20, 21, 22, 23, 24, 25, 26, 27, 3]]:
            out.append({"activation": activation, "pooling": pooling, "first_position": first, "kinds": kinds, "ids": ids,
                        "vector": [float(f"{x:.9g}") for x in encode(ids, activation, pooling, first, kinds)]})
    print("[\n" + ",\n".join(" " + json.dumps(o) for o in out) + "\n]")


main()
