// Lloyd's algorithm. The twin is in rnnstats/kernels/reference/clusters.py.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace rnnstats {

// points (n, d), centres (k, d), which move; labels (n). Returns the sum of squared distances.
inline double lloyd(std::int64_t n, int d, int k, const double *points, double *centres, int rounds, double gain,
                    std::int64_t *labels) {
    std::vector<double> sums(k * d);
    std::vector<std::int64_t> counts(k);
    double cost = std::numeric_limits<double>::infinity();
    for (int turn = 0; turn <= rounds; ++turn) {
        for (int j = 0; j < k && turn; ++j)
            for (int a = 0; a < d && counts[j]; ++a)
                centres[j * d + a] = sums[j * d + a] / static_cast<double>(counts[j]);
        const double before = cost;
        cost = 0.0;
        sums.assign(k * d, 0.0);
        counts.assign(k, 0);
        for (std::int64_t t = 0; t < n; ++t) {
            const double *x = points + t * d;
            double least = std::numeric_limits<double>::infinity();
            int at = 0;
            for (int j = 0; j < k; ++j) {
                double distance = 0.0;
                for (int a = 0; a < d; ++a) distance += (x[a] - centres[j * d + a]) * (x[a] - centres[j * d + a]);
                if (distance < least) least = distance, at = j;
            }
            labels[t] = at;
            cost += least;
            ++counts[at];
            for (int a = 0; a < d; ++a) sums[at * d + a] += x[a];
        }
        if (turn > 1 && cost >= before * (1.0 - gain)) break;
    }
    return cost;
}

} // namespace rnnstats
