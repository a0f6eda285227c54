OPENQASM 3.0;
include "stdgates.inc";
input float[64] p0;
qubit[2] q;
rx(p0) q[0];
cx q[0], q[1];
t q[1];
// state
