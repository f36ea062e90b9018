// Beyond RV64GC: vectors, the bit instructions, cryptography; what the disassembler does not know.
// newer: v[a-z0-9]+\..*|vset.*|sh[123]add.*|(add|slli)\.uw .*|andn .*|orn .*|xnor .*|c[lt]zw? .*|cpopw? .*|(min|max)u? .*|sext\.[bh] .*|zext\.h .*|ro[lr]i?w? .*|rev8 .*|orc\.b .*|clmul.*|b(set|ext|inv|clr)i? .*|pack[hw]? .*|brev8 .*|(un)?zip .*|xperm.*|aes(32|64).*|sha(256|512).*|sm[34].*|czero.*|\.[248]byte .*
.attribute arch, "rv64gc_v_zba_zbb_zbc_zbs_zbkb_zknd_zkne_zknh_zicond"
.option norvc
newer:
vsetvli t0, a0, e8, m1, ta, ma
vsetivli t0, 4, e8, m1, ta, ma
vle8.v v0, (a0)
sh1add a0, a1, a2
sh3add a0, a1, a2
add.uw a0, a1, a2
slli.uw a0, a1, 3
andn a0, a1, a2
orn a0, a1, a2
xnor a0, a1, a2
clz a0, a1
ctzw a0, a1
cpop a0, a1
min a0, a1, a2
maxu a0, a1, a2
sext.b a0, a1
zext.h a0, a1
rol a0, a1, a2
rori a0, a1, 3
rev8 a0, a1
orc.b a0, a1
clmul a0, a1, a2
bset a0, a1, a2
bexti a0, a1, 3
binvi a0, a1, 3
bclr a0, a1, a2
pack a0, a1, a2
brev8 a0, a1
aes64es a0, a1, a2
sha256sum0 a0, a1
czero.eqz a0, a1, a2
