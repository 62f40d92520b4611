// Measures hnswlib the way `engram bench ann` measures Engram: build with all threads, then one thread, one query at a time.
// hnswlib BASE QUERIES TRUTH N NQ DIM l2|ip K M EF_CONSTRUCTION THREADS ROUNDS EF...
// BASE and QUERIES hold float32 rows, TRUTH holds K uint32 a query. Prints JSON.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hnswlib.h"

using Clock = std::chrono::steady_clock;

static double since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

template <typename T>
static std::vector<T> read(const char *path, size_t n) {
	std::vector<T> v(n);
	FILE *f = fopen(path, "rb");
	if (!f || fread(v.data(), sizeof(T), n, f) != n) {
		fprintf(stderr, "cannot read %zu numbers of %s\n", n, path);
		exit(1);
	}
	fclose(f);
	return v;
}

int main(int argc, char **argv) {
	if (argc < 14) {
		fprintf(stderr, "usage: hnswlib BASE QUERIES TRUTH N NQ DIM l2|ip K M EF_CONSTRUCTION THREADS ROUNDS EF...\n");
		return 2;
	}
	size_t n = atoll(argv[4]), nq = atoll(argv[5]), dim = atoll(argv[6]), k = atoll(argv[8]);
	size_t m = atoll(argv[9]), efc = atoll(argv[10]), threads = atoll(argv[11]), rounds = atoll(argv[12]);
	auto base = read<float>(argv[1], n * dim), queries = read<float>(argv[2], nq * dim);
	auto truth = read<uint32_t>(argv[3], nq * k);
	std::unique_ptr<hnswlib::SpaceInterface<float>> space;
	if (std::string(argv[7]) == "ip")
		space = std::make_unique<hnswlib::InnerProductSpace>(dim);
	else
		space = std::make_unique<hnswlib::L2Space>(dim);

	auto start = Clock::now();
	hnswlib::HierarchicalNSW<float> index(space.get(), n, m, efc);
	index.addPoint(base.data(), 0);
	std::atomic<size_t> next{1};
	std::vector<std::thread> workers;
	for (size_t t = 0; t < threads; t++)
		workers.emplace_back([&] {
			for (size_t i; (i = next++) < n;) index.addPoint(base.data() + i * dim, i);
		});
	for (auto &w : workers) w.join();
	printf("{\"name\":\"hnswlib\",\"params\":\"M=%zu ef_construction=%zu\",\"build_s\":%.2f,\"bytes_per_vector\":%zu,\"points\":[", m, efc, since(start),
	       index.size_data_per_element_ - dim * 4);
	std::vector<double> took(nq);
	for (int a = 13; a < argc; a++) {
		size_t ef = atoll(argv[a]), found = 0;
		index.setEf(ef);
		double best = 0, p50 = 0, p99 = 0;
		for (size_t r = 0; r < rounds; r++) {
			found = 0;
			auto round = Clock::now();
			for (size_t q = 0; q < nq; q++) {
				auto one = Clock::now();
				auto hits = index.searchKnn(queries.data() + q * dim, k);
				took[q] = since(one);
				for (; !hits.empty(); hits.pop())
					for (size_t j = 0; j < k; j++) found += truth[q * k + j] == hits.top().second;
			}
			double qps = nq / since(round);
			if (qps <= best) continue;
			best = qps;
			std::sort(took.begin(), took.end());
			p50 = took[nq / 2] * 1e6, p99 = took[nq * 99 / 100] * 1e6;
		}
		printf("%s{\"ef\":%zu,\"recall\":%.5f,\"qps\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}", a > 13 ? "," : "", ef, double(found) / (nq * k), best, p50, p99);
		fflush(stdout);
	}
	printf("]}\n");
}
