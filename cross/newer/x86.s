// Beyond SSE2. tzcnt is missing: the compiler writes it where an older CPU, which takes it for bsf, finds the same.
// newer: v[a-z0-9]+.*|k[a-z]+[bwdq] .*|cmpxchg16b.*|rdtscp|lddqu.*|mov(ddup|s[hl]dup) .*|h(add|sub)p[sd] .*|addsubp[sd] .*|fisttp.*|monitor.*|mwait.*|p(shufb|h(add|sub)[a-z]*|abs[bwd]|sign[bwd]|mulhrsw|maddubsw|alignr|blend[a-z]*|test|mov[sz]x[a-z]*|cmp(eqq|gtq|[ei]str[a-z]*)|(min|max)(ud|sb|uw|sd)|mul(dq|ld)|hminposuw|(ins|ext)r[bdq]) .*|blend.*|dpp[sd] .*|round[sp][sd] .*|packusdw .*|insertps .*|extractps .*|mpsadbw .*|movntdqa .*|extrq .*|insertq .*|movnts[sd] .*|crc32.*|popcnt.*|lzcnt.*|andn .*|bextr.*|bls[ir].*|blsmsk.*|bzhi.*|pdep .*|pext .*|rorx .*|s[ah][rl]x .*|mulx .*|ad[co]x .*|movbe.*|rd(rand|seed).*|xgetbv.*|xsave.*|aes.*|pclmul.*|sha(1|256).*|gf2p8.*|movdir.*|x(begin|abort).*|xend|xtest
newer:
lddqu (%eax), %xmm0
movddup %xmm1, %xmm0
movshdup %xmm1, %xmm0
haddps %xmm1, %xmm0
addsubpd %xmm1, %xmm0
fisttpl (%eax)
monitor
pshufb %xmm1, %xmm0
phaddw %xmm1, %xmm0
pabsd %xmm1, %xmm0
psignb %xmm1, %xmm0
pmulhrsw %xmm1, %xmm0
pmaddubsw %xmm1, %xmm0
palignr $4, %xmm1, %xmm0
blendps $1, %xmm1, %xmm0
blendvpd %xmm1, %xmm0
pblendw $1, %xmm1, %xmm0
pblendvb %xmm1, %xmm0
dpps $1, %xmm1, %xmm0
ptest %xmm1, %xmm0
roundsd $1, %xmm1, %xmm0
pmovzxbw %xmm1, %xmm0
pmovsxdq %xmm1, %xmm0
pcmpeqq %xmm1, %xmm0
pcmpgtq %xmm1, %xmm0
pcmpestri $1, %xmm1, %xmm0
packusdw %xmm1, %xmm0
pminud %xmm1, %xmm0
pminsb %xmm1, %xmm0
pminuw %xmm1, %xmm0
pmaxsd %xmm1, %xmm0
pmaxsb %xmm1, %xmm0
pmaxuw %xmm1, %xmm0
pmuldq %xmm1, %xmm0
pmulld %xmm1, %xmm0
phminposuw %xmm1, %xmm0
pinsrb $1, %eax, %xmm0
pinsrd $1, %eax, %xmm0
pextrb $1, %xmm0, %eax
pextrd $1, %xmm0, %eax
insertps $1, %xmm1, %xmm0
extractps $1, %xmm0, %eax
mpsadbw $1, %xmm1, %xmm0
movntdqa (%eax), %xmm0
extrq %xmm1, %xmm0
crc32b %al, %ecx
popcnt %eax, %ecx
lzcnt %eax, %ecx
andn %eax, %ecx, %edx
bextr %eax, %ecx, %edx
blsi %eax, %ecx
blsr %eax, %ecx
blsmsk %eax, %ecx
bzhi %eax, %ecx, %edx
pdep %eax, %ecx, %edx
pext %eax, %ecx, %edx
rorx $1, %eax, %ecx
sarx %eax, %ecx, %edx
shlx %eax, %ecx, %edx
shrx %eax, %ecx, %edx
mulx %eax, %ecx, %edx
adcx %eax, %ecx
adox %eax, %ecx
movbe (%eax), %ecx
rdrand %eax
rdseed %eax
xgetbv
aesenc %xmm1, %xmm0
pclmulqdq $1, %xmm1, %xmm0
sha1rnds4 $1, %xmm1, %xmm0
sha256rnds2 %xmm1, %xmm0
gf2p8mulb %xmm1, %xmm0
movdiri %eax, (%ecx)
xbegin newer
vaddps %xmm0, %xmm1, %xmm2
vpxor %ymm0, %ymm1, %ymm2
vpternlogd $1, %zmm0, %zmm1, %zmm2
kmovw %eax, %k1
