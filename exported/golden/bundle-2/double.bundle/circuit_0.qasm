OPENQASM 3.0;
include "stdgates.inc";
input float[64] p0;
input float[64] p1;
qubit[2] q;
rx(p0) q[0];
rx(p1) q[1];
rz(3.5783274173736572) q[0];
ry(2.756922960281372) q[0];
rz(4.0129475593566895) q[0];
rz(3.2965731620788574) q[1];
ry(4.2889909744262695) q[1];
rz(1.9173108339309692) q[1];
cx q[0], q[1];
cx q[1], q[0];
// expval Z0
// expval X1
