OPENQASM 3.0;
include "stdgates.inc";
input float[64] p0;
input float[64] p1;
qubit[2] q;
rx(0.5 * p0) q[0];
rx(0.5 * p1) q[1];
cx q[0], q[1];
ry(1.4865468740463257) q[1];
// expval Z0
// expval Z1
