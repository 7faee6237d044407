// What the extension module calls: one function a task, sizes chosen at run time from compiled templates.
#pragma once

#include "smoother.hpp"
#include "tangent.hpp"

namespace rnnstats {

struct Prepared {
    Noise noise;
    FirstMoments first;
    Status build(const System& s) {
        const Status status = noise.build(s);
        return status == Status::ok ? first.build(s, noise) : status;
    }
};

// Calls work(Sizes<M, P>{}) with the sizes compiled in where they are small, Sizes<0, 0> otherwise.
template <int M, int P>
struct Sizes {
    static constexpr int m = M, p = P;
};

template <int M, class Work>
auto with_outputs(int p, Work&& work) {
    if constexpr (M == 4 || M == 5) {
        if (p == M) return work(Sizes<M, M>{});  // VARMA(1,1) and VAR(1)
    }
    switch (p) {
        case 1: return work(Sizes<M, 1>{});
        case 2: return work(Sizes<M, 2>{});
        case 3: return work(Sizes<M, 3>{});
        default: return work(Sizes<0, 0>{});
    }
}

template <class Work>
auto with_sizes(int m, int p, Work&& work) {
    switch (m) {
        case 1: return with_outputs<1>(p, work);
        case 2: return with_outputs<2>(p, work);
        case 3: return with_outputs<3>(p, work);
        case 4: return with_outputs<4>(p, work);
        case 5: return with_outputs<5>(p, work);
        case 6: return with_outputs<6>(p, work);
        default: return work(Sizes<0, 0>{});
    }
}

inline Status forward(const System& s, const Prepared& ready, const double* y, double* llf, double* llf_obs, Tape* tape,
                      int* period, bool early_collapse = false) {
    return with_sizes(s.m, s.p, [&](auto sizes) {
        Forward<sizes.m, sizes.p> pass(s, ready.noise, ready.first);
        pass.early_collapse = early_collapse;
        const Status status = pass.run(y, llf_obs, tape);
        *llf = pass.llf;
        *period = pass.period;
        return status;
    });
}

inline int loglike(const System& s, const double* y, double* llf, double* llf_obs, int* period) {
    Prepared ready;
    Status status = ready.build(s);
    if (status == Status::ok) status = forward(s, ready, y, llf, llf_obs, nullptr, period);
    return static_cast<int>(status);
}

inline int score(const System& s, const double* y, const Gradient& gradient, double* llf, int* period) {
    Prepared ready;
    Status status = ready.build(s);
    if (status != Status::ok) return static_cast<int>(status);
    Tape tape(s.m, s.p, ready.noise.q, s.n, false);
    status = forward(s, ready, y, llf, nullptr, &tape, period);
    if (status != Status::ok) return static_cast<int>(status);
    with_sizes(s.m, s.p, [&](auto sizes) {
        Adjoint<sizes.m, sizes.p>(s, ready.noise, ready.first, tape).run(gradient);
        return 0;
    });
    return 0;
}

inline int tangent(const System& s, const double* y, const Directions& by, double* llf_obs, double* scores,
                   double* information, int* period) {
    Prepared ready;
    Status status = ready.build(s);
    if (status != Status::ok) return static_cast<int>(status);
    Tape tape(s.m, s.p, ready.noise.q, s.n, false);
    double llf = 0.0;
    // Information is counted from the row on at which the diffuse start is determined.
    status = forward(s, ready, y, &llf, llf_obs, &tape, period, information != nullptr);
    if (status != Status::ok) return static_cast<int>(status);
    return static_cast<int>(Tangent(s, ready.noise, ready.first, tape, by).run(y, scores, information));
}

inline int moments(const System& s, const double* y, double* llf_obs, const FilterArrays& filter,
                   const SmootherArrays* smoother, int* period, int* nobs_diffuse) {
    Prepared ready;
    Status status = ready.build(s);
    if (status != Status::ok) return static_cast<int>(status);
    Tape tape(s.m, s.p, ready.noise.q, s.n, true);
    double llf = 0.0;
    status = forward(s, ready, y, &llf, llf_obs, &tape, period);
    if (status != Status::ok) return static_cast<int>(status);
    *nobs_diffuse = tape.diffuse.undetermined_rows();
    Moments all(s, ready.noise, ready.first, tape);
    all.filter(y, filter);
    if (smoother) all.smooth(filter, *smoother);
    return 0;
}

}  // namespace rnnstats
