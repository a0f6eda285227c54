OPENQASM 3.0;
include "stdgates.inc";
input float[64] p0;
input float[64] p1;
qubit[2] q;
ry(p0) q[0];
ry(p1) q[1];
cx q[0], q[1];
crx(p0) q[0], q[1];
rx(4.760339736938477) q[1];
// expval Z0
// var Z1
