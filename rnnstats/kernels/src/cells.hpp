// Recurrent networks, compiled; the twins are in rnnstats/kernels/reference/cells, one file a cell.
//
// A cell is a template or a struct (cells_elman.hpp, cells_gru.hpp, cells_lstm.hpp) with the constants
//   first    gates whose arguments are known once h_{t-1} and the inputs are
//   late     gates that see something else in the place of h_{t-1}, made by the first ones
//   saved    numbers a unit that the reverse pass wants: slopes; saved_first of them are known before the late gates
//   numbers  weights a unit outside the matrix
//   memory   whether there is a second state c
// and the functions step and adjoint (with late gates: step_first, step_late, adjoint_late, adjoint_first) of eight
// units, or of one unit in eight passes: they are elementwise. Loops, products with the weights, layers, readout and
// feedback are written once: cells_run.hpp (a path), cells_lanes.hpp (many reverse passes), cells_paths.hpp (many
// paths); cells_layout.hpp says where everything lies and lists the cells.
#pragma once

#include "cells_lanes.hpp"
#include "cells_paths.hpp"
