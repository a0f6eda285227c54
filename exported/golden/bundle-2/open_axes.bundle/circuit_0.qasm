OPENQASM 3.0;
include "stdgates.inc";
input float[64] p0;
qubit[1] q;
rx(p0) q[0];
ry(4.760339736938477) q[0];
// expval Z0
