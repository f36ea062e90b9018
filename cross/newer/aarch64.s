// Beyond ARMv8.0-A: atomics and other additions of 8.1 and later, half precision, SVE; the cryptography and the CRC that
// even some 8.0 lack.
// newer: cas.*|swp.*|(ld|st)(add|clr|eor|set|[su]max|[su]min)a?l?[bh]?( .*)?|ldlar.*|stllr.*|ldap.*|stlur.*|aes.*|sha[0-9].*|sm[34].*|eor3.*|rax1.*|xar .*|bcax.*|pmull2? .*1q.*|crc32.*|sqrdml[as]h .*|f([abd-z]|c[a-uw-z])[a-z0-9]* .*(v[0-9]+\.[48]h|[ ,]h[0-9]).*|fcvt[a-z]+[su] .*(v[0-9]+\.[48]h|[ ,]h[0-9]).*|(us|su|[us])dot .*|bf(dot|mmla|cvt|ml).*|fjcvtzs.*|(ret|br|blr|ldr)a[ab]z?( .*)?|rmif.*|setf.*|cfinv|st2?z?2?g .*|ldg .*|irg .*|.*[ ,{][pz][0-9]+[./].*|(cnt|inc|dec)[bhwd] .*
.arch armv8.5-a+sve+crypto+sha3+sm4+fp16+dotprod+rng+memtag
newer:
cas w0, w1, [x2]
casal x0, x1, [x2]
casp x0, x1, x2, x3, [x4]
swp w0, w1, [x2]
swpalb w0, w1, [x2]
ldadd w0, w1, [x2]
ldaddal x0, x1, [x2]
stadd w0, [x2]
stsetl x0, [x2]
ldclr w0, w1, [x2]
ldumax w0, w1, [x2]
ldlar w0, [x1]
ldapr w0, [x1]
aese v0.16b, v1.16b
aesmc v0.16b, v1.16b
sha1c q0, s1, v2.4s
sha256h q0, q1, v2.4s
sha512h q0, q1, v2.2d
eor3 v0.16b, v1.16b, v2.16b, v3.16b
rax1 v0.2d, v1.2d, v2.2d
sm3ss1 v0.4s, v1.4s, v2.4s, v3.4s
pmull v0.1q, v1.1d, v2.1d
pmull2 v0.1q, v1.2d, v2.2d
crc32b w0, w1, w2
crc32cx w0, w1, x2
sqrdmlah v0.4s, v1.4s, v2.4s
fadd v0.8h, v1.8h, v2.8h
fcvtzs w0, h1
udot v0.4s, v1.16b, v2.16b
fjcvtzs w0, d0
retaa
blraaz x0
ldraa x0, [x1]
rmif x0, 1, 2
setf8 w0
stg x0, [x1]
ptrue p0.b
whilelo p0.b, x0, x1
ld1b {z0.b}, p0/z, [x0]
cntd x0
