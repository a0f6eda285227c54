OPENQASM 3.0;
include "stdgates.inc";
qubit[1] q;
rx(0.3) q[0];
// expval Z0
