// Beyond MIPS32 release 2 without an FPU: whatever has a register of the FPU, MSA or DSP or a format in its name.
// newer: .* .*\$(f|fcc|w|ac)[0-9].*|[a-z0-9_]+\.[a-z0-9_.]+( .*)?|c[tf]c1 .*|bc[12].*|movf.*|l(w|h|bu)x .*|(rd|wr)dsp.*|bposge.*
.set noreorder
.set noat
.set mips32r2
.set hardfloat
newer:
lwc1 $f0, 0($4)
swc1 $f0, 0($4)
ldc1 $f0, 0($4)
sdc1 $f0, 0($4)
mtc1 $4, $f0
mfc1 $4, $f0
ctc1 $4, $31
cfc1 $4, $31
add.s $f0, $f2, $f4
mul.d $f0, $f2, $f4
cvt.d.w $f0, $f2
trunc.w.d $f0, $f2
c.eq.d $f0, $f2
movf $4, $5, $fcc0
bc1t newer
.set dsp
addu.qb $4, $5, $6
addq.ph $4, $5, $6
lwx $4, $5($6)
extr.w $4, $ac1, 3
.set msa
ld.b $w0, 0($4)
