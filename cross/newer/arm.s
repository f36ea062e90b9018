// Beyond ARMv6K without an FPU: VFP, NEON, what ARMv7 added.
// newer: v[a-z].*|(movw|movt|bfi|bfc|[us]bfx|ml[s]|[us]div|rbit|ldrs?[bh]t|strht)CC( .*)?|(dmb|dsb|isb)( .*)?
.syntax unified
.arch armv7-a
.arch_extension idiv
.fpu neon-vfpv4
.arm
newer:
vldr d0, [r0]
vadd.f32 s0, s1, s2
vmov r0, s0
vpush {d8}
vmrs r0, fpscr
vld1.8 {d0}, [r0]
movw r0, #1
movt r0, #1
movweq r0, #1
movtne r0, #1
bfi r0, r1, #2, #3
bfc r0, #2, #3
bfieq r0, r1, #2, #3
ubfx r0, r1, #2, #3
sbfxlt r0, r1, #2, #3
mls r0, r1, r2, r3
udiv r0, r1, r2
sdivne r0, r1, r2
rbit r0, r1
ldrht r0, [r1], #0
dmb ish
dsb ish
isb
