// Beyond ARMv5TE: what ARMv6 added.
// newer: ((ld|st)rex[bhd]?|rev(16|sh)?|[us]xta?(b|h|b16)|umaal|pkh(bt|tb)|sel|[us]?[qh]?(add|sub)(8|16)|[usq]h?(asx|sax)|[us]sat(16)?|sm(u|l)[as]l?dx?|smml[as]r?|smmulr?|usada?8)CC( .*)?|clrex|(mcrr|mrrc)2? .*|cps.*|setend .*|srs.*|rfe.*
.syntax unified
.arch armv6k
.arm
newer:
ldrex r0, [r1]
strex r0, r1, [r2]
ldrexd r0, r1, [r2]
strexb r0, r1, [r2]
clrex
rev r0, r1
rev16ne r0, r1
revsh r0, r1
uxtb r0, r1
sxthne r0, r1
uxtab r0, r1, r2
uxtb16 r0, r1
sxtah r0, r1, r2
umaal r0, r1, r2, r3
pkhbt r0, r1, r2
sel r0, r1, r2
uqadd8 r0, r1, r2
usat r0, #3, r1
ssatne r0, #3, r1
smuad r0, r1, r2
smlad r0, r1, r2, r3
smmul r0, r1, r2
usad8 r0, r1, r2
mcrr p15, 0, r0, r1, c5
cpsid i
setend be
