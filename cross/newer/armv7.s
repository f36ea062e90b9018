// Beyond ARMv7-A with a VFPv3 of 16 registers: the upper registers, NEON, VFPv4, division.
// newer: .*[^a-z0-9](d1[6-9]|d2[0-9]|d3[01]|q[0-9]+)([^0-9].*)?|v(ld|st)[1-4]\..*|v[a-z0-9]+CC\.[iusp]?(8|16|64)( .*)?|v[a-z0-9]+\.i32 .*|v(eor|and|orr|bic|orn|bsl|bit|bif|mvn|dup|ext|tbl|tbx|swp|trn|uzp|zip)[ .].*|v(add|sub|mul|mla|mls|neg|abs|abd|max|min|ceq|cge|cgt|cle|clt|pmax|pmin|padd|recpe|recps|rsqrte|rsqrts)\.f32 [dq].*|v([abd-z]|c[a-uw-z])[a-z0-9]*\.[us]32 .*|vfn?m[as]CC\..*|vcvt[bt]?CC\.f(32\.f16|16\.f32) .*|[us]divCC( .*)?
.syntax unified
.arch armv7-a
.arch_extension idiv
.fpu neon-vfpv4
.arm
newer:
vldr d16, [r0]
vadd.f64 d0, d1, d31
vmoveq.f64 d20, d1
vld1.8 {d0}, [r0]
vld1.32 {d0[0]}, [r0]
vst1.8 {d0-d1}, [r0]
vadd.i32 d0, d1, d2
vadd.i8 q0, q1, q2
veor d0, d1, d2
vorr d0, d1, d2
vmov.i32 d0, #0
vdup.32 d0, r0
vmull.u8 q0, d1, d2
vrev64.8 d0, d1
vadd.f32 d0, d1, d2
vmul.f32 q0, q1, q2
vfma.f64 d0, d1, d2
vcvt.f32.f16 q0, d2
vmov.8 d0[1], r0
vmov.u16 r0, d0[1]
udiv r0, r1, r2
sdivne r0, r1, r2
.thumb
udiv r0, r1, r2
vldr d17, [r0]
