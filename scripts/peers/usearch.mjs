// Measures USearch as hnswlib.cpp measures hnswlib, through the package's own binding: the same arguments.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const { Index, MetricKind, ScalarKind } = createRequire(import.meta.url)("usearch");

const [base, queries, truth, n, nq, dim, metric, k, m, efc, threads, rounds, ...efs] = process.argv.slice(2).map((a, i) => (i < 3 || i == 6 ? a : Number(a)));
const floats = (path) => new Float32Array(readFileSync(path).buffer);
const rows = floats(base), asked = floats(queries), nearest = new Uint32Array(readFileSync(truth).buffer);
const make = (ef) =>
  new Index({ dimensions: dim, metric: metric == "ip" ? MetricKind.IP : MetricKind.L2sq, quantization: ScalarKind.F32, connectivity: m, expansion_add: efc, expansion_search: ef });

const start = performance.now();
const index = make(efs[0]);
const step = 10000;
for (let i = 0; i < n; i += step) {
  const to = Math.min(n, i + step);
  index.add(BigUint64Array.from({ length: to - i }, (_, j) => BigInt(i + j)), rows.subarray(i * dim, to * dim), threads);
}
const built = (performance.now() - start) / 1000;
const file = `${base}.usearch`;
index.save(file);
const points = [];
for (const ef of efs) {
  const x = make(ef); // the expansion of a search is fixed when an index is made
  x.load(file);
  let best = { qps: 0 };
  for (let r = 0; r < rounds; r++) {
    const took = new Float64Array(nq);
    let found = 0;
    const t = performance.now();
    for (let q = 0; q < nq; q++) {
      const one = performance.now();
      const hits = x.search(asked.subarray(q * dim, (q + 1) * dim), k, 1).keys;
      took[q] = performance.now() - one;
      const want = nearest.subarray(q * k, (q + 1) * k);
      for (const key of hits) if (want.includes(Number(key))) found++;
    }
    const qps = (nq * 1000) / (performance.now() - t);
    took.sort();
    if (qps > best.qps) best = { ef, recall: found / (nq * k), qps, p50_us: took[nq >> 1] * 1000, p99_us: took[Math.floor(nq * 0.99)] * 1000 };
  }
  points.push(best);
}
console.log(JSON.stringify({ name: "usearch", params: `connectivity=${m} expansion_add=${efc}`, build_s: built, points }));
