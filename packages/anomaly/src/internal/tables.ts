/**
 * Four tables of 1,025 integers in 2⁻²⁴, written as base-36 differences: the engine's own logarithms and sines may differ in the last bit,
 * these cannot. A test computes every entry anew with big integers.
 */

function sums(text: string): Int32Array {
  const out = Int32Array.from(text.split(' '), (word) => Number.parseInt(word, 36))
  for (let i = 1; i < out.length; i++) out[i] = out[i]! + out[i - 1]!
  return out
}

/** ln(1 + i/1024) */
export const lnTable: Int32Array = /* @__PURE__ */ sums(
  '0 cmw cmg cm0 clk cl5 cko ck9 cjt cjd cix cii ci2 chm ch7 cgr cgc cfw cfh cf1 cem ce7 cdr cdb ccx cch cc2 cbn ' +
    'cb7 cas cae c9y c9j c94 c8p c8a c7v c7g c71 c6m c68 c5t c5d c4z c4l c45 c3r c3d c2x c2k c24 c1q c1c c0w c0j c04 ' +
    'bzq bzb byx byi by5 bxq bxc bwx bwj bw6 bvr bvc buz bul bu7 bts btf bt1 bsm bs9 brv brh br4 bqp bqc bpx bpl bp6 ' +
    'bot bof bo1 bno bna bmx bmj bm6 bls ble bl1 bko bkb bjx bjj bj6 bit big bi3 bhp bhc bgz bgl bg9 bfv bfj bf5 bes ' +
    'bef be2 bdq bdc bcz bcn bc9 bbx bbk bb7 bau bah ba5 b9s b9f b93 b8p b8e b80 b7o b7c b6z b6m b6a b5x b5l b59 b4w ' +
    'b4j b47 b3v b3j b36 b2u b2i b25 b1t b1h b15 b0s b0h b04 azs azg az4 ays ayg ay4 axs axg ax4 aws awg aw4 avt avg ' +
    'av5 aut auh au6 att ati at6 asv asj as7 arw ark ar8 aqx aql aqa apy apm apc aoz aop aod ao1 anq anf an3 ams amh ' +
    'am6 alu alj al7 akx akl aka ajz ajo ajd aj1 air aif ai4 ahu ahi ah7 agx agl aga ag0 afo afe af3 aes aeh ae6 adw ' +
    'adk ada acz acp acd ac3 abt abh ab7 aax aal aab aa1 a9q a9f a95 a8v a8j a8a a7z a7o a7e a74 a6t a6j a68 a5y a5o ' +
    'a5e a53 a4t a4i a49 a3y a3o a3d a34 a2t a2j a29 a1z a1p a1e a15 a0u a0l a0a a00 9zr 9zg 9z7 9yw 9yn 9yc 9y3 9xt ' +
    '9xj 9x9 9wz 9wp 9wg 9w5 9vw 9vm 9vd 9v2 9ut 9uk 9u9 9u0 9tq 9tg 9t7 9sy 9sn 9se 9s4 9rv 9rm 9rb 9r3 9qs 9qj 9qa ' +
    '9q0 9pr 9ph 9p8 9oz 9op 9og 9o6 9nx 9no 9ne 9n5 9mw 9mm 9md 9m4 9lv 9ll 9lc 9l3 9ku 9kl 9kb 9k2 9jt 9jk 9jb 9j2 ' +
    '9it 9ik 9ia 9i2 9hs 9hk 9ha 9h2 9gs 9gk 9ga 9g2 9ft 9fk 9fb 9f2 9et 9ek 9ec 9e2 9du 9dl 9dc 9d4 9cu 9cm 9cd 9c5 ' +
    '9bw 9bn 9be 9b5 9ax 9ap 9af 9a7 99z 99p 99i 998 990 98s 98i 98b 982 97t 97l 97c 974 96v 96n 96f 966 95y 95p 95h ' +
    '958 950 94s 94k 94b 943 93u 93m 93e 936 92x 92p 92h 929 920 91s 91k 91c 914 90v 90o 90f 907 8zz 8zr 8zj 8zb 8z2 ' +
    '8yv 8ym 8yf 8y6 8xz 8xq 8xj 8xa 8x3 8wu 8wn 8wf 8w6 8vz 8vr 8vj 8vc 8v3 8uv 8uo 8ug 8u8 8u0 8ts 8tl 8tc 8t5 8sx ' +
    '8sq 8si 8sa 8s2 8ru 8rn 8rf 8r8 8qz 8qt 8qk 8qd 8q5 8py 8pq 8pi 8pb 8p3 8ow 8oo 8og 8o9 8o2 8nu 8nm 8nf 8n8 8n0 ' +
    '8ms 8ml 8me 8m6 8lz 8lr 8lk 8ld 8l5 8ky 8kq 8kj 8kc 8k4 8jy 8jp 8jj 8jb 8j4 8iw 8ip 8ii 8ib 8i4 8hw 8hp 8hi 8hb ' +
    '8h3 8gw 8gp 8gi 8gb 8g4 8fw 8fp 8fj 8fb 8f4 8ex 8eq 8ei 8ec 8e5 8dx 8dr 8dj 8dd 8d5 8cz 8cr 8cl 8cd 8c7 8c0 8bs ' +
    '8bm 8bf 8b8 8b1 8au 8an 8ag 8aa 8a2 89w 89p 89i 89b 894 88y 88r 88j 88e 886 880 87s 87m 87g 878 872 86v 86p 86h ' +
    '86b 865 85x 85r 85l 85d 857 851 84u 84n 84g 84a 844 83w 83q 83k 83d 837 830 82t 82n 82g 82a 823 81x 81r 81j 81e ' +
    '817 810 80u 80o 80h 80b 804 7zy 7zr 7zm 7ze 7z9 7z2 7yv 7yp 7yj 7yd 7y6 7y0 7xu 7xn 7xh 7xb 7x4 7wy 7ws 7wm 7wf ' +
    '7w9 7w3 7vx 7vq 7vl 7ve 7v7 7v2 7uw 7up 7uj 7ud 7u7 7u0 7tv 7to 7ti 7tc 7t6 7t0 7su 7so 7sh 7sc 7s5 7s0 7rt 7ro ' +
    '7rh 7rb 7r5 7r0 7qt 7qn 7qh 7qc 7q5 7pz 7pt 7po 7ph 7pc 7p5 7p0 7ou 7on 7oi 7oc 7o6 7o0 7nv 7no 7nj 7nc 7n7 7n1 ' +
    '7mv 7mp 7mk 7me 7m7 7m3 7lw 7lq 7ll 7lf 7l9 7l3 7ky 7ks 7km 7kg 7kb 7k5 7jz 7jt 7jo 7ji 7jd 7j6 7j1 7iw 7iq 7ik ' +
    '7ie 7i9 7i3 7hx 7hs 7hm 7hh 7hb 7h5 7h0 7gu 7gp 7gj 7ge 7g8 7g2 7fx 7fr 7fm 7fg 7fb 7f5 7f0 7eu 7ep 7ej 7ee 7e8 ' +
    '7e3 7dx 7ds 7dm 7dh 7dc 7d6 7d0 7cw 7cp 7cl 7cf 7c9 7c5 7by 7bu 7bo 7bj 7bd 7b8 7b2 7ay 7as 7am 7ai 7ac 7a6 7a2 ' +
    '79w 79q 79m 79g 79b 796 790 78v 78q 78l 78f 78a 785 780 77u 77p 77k 77f 77a 774 770 76u 76p 76j 76f 769 765 75z ' +
    '75u 75p 75j 75f 759 755 74z 74u 74p 74k 74f 74a 745 740 73u 73q 73l 73f 73b 735 730 72w 72q 72m 72g 72b 727 721 ' +
    '71x 71r 71m 71i 71c 718 713 70x 70t 70o 70j 70e 709 704 6zz 6zu 6zq 6zk 6zg 6zb 6z6 6z1 6yw 6yr 6ym 6yi 6yd 6y8 ' +
    '6y3 6xy 6xt 6xp 6xk 6xf 6xa 6x5 6x1 6ww 6wr 6wm 6wh 6wd 6w8 6w3 6vz 6vt 6vp 6vk 6vg 6vb 6v6 6v1 6ux 6ur 6uo 6ui ' +
    '6ue 6u9 6u4 6u0 6tv 6tr 6tl 6ti 6tc 6t8 6t3 6sy 6su 6sq 6sk 6sg 6sc 6s6 6s3 6rx 6rt 6rp 6rj 6rg 6ra 6r6 6r2 6qx ' +
    '6qs 6qo 6qj 6qf 6qa 6q6 6q1 6px 6ps 6po 6pj 6pe 6pb 6p5 6p1 6ox 6os 6oo 6oj 6of 6oa 6o6 6o1 6nx 6nt 6no 6nj 6nf ' +
    '6nb 6n6 6n2 6my 6mt 6mp 6mk 6mg 6mb 6m7 6m3 6lz 6lt 6lq 6ll 6lh 6ld 6l8 6l4 6kz 6kw 6kq 6kn 6ki 6ke 6ka 6k5 6k1 ' +
    '6jw 6jt 6jo 6jk 6jf 6jb 6j7 6j3 6iy 6iu 6iq 6im 6ih 6id 6i9 6i5 6i0 6hw 6hs 6ho 6hk 6hf 6hb 6h7 6h3 6gy 6gv 6gq ' +
    '6gm 6gh 6ge 6g9 6g6 6g1 6fx 6ft 6fo 6fl 6fg 6fc 6f8 6f4 6f0 6ew 6es 6en 6ej 6eg 6eb 6e7 6e3 6dz 6dv 6dq 6dn 6dj ' +
    '6de 6db 6d6 6d3 6cy 6cu 6cq 6cm 6cj 6ce 6ca 6c6 6c2 6by 6bu 6bq 6bm',
)

/** 2^(i/1024) */
export const exp2Table: Int32Array = /* @__PURE__ */ sums(
  '9zlds 8rk 8rs 8s0 8s8 8sf 8sn 8su 8t3 8ta 8th 8tq 8tx 8u5 8ud 8ul 8us 8v0 8v8 8vf 8vo 8vv 8w3 8wb 8wj 8wq 8wy ' +
    '8x6 8xe 8xm 8xt 8y2 8y9 8yh 8yp 8yx 8z5 8zc 8zl 8zs 901 908 90g 90o 90w 914 91b 91k 91s 91z 928 92f 92n 92w 933 ' +
    '93b 93k 93r 93z 947 94g 94n 94v 954 95b 95j 95s 95z 967 96g 96n 96w 974 97b 97k 97s 980 988 98g 98p 98w 995 99c ' +
    '99l 99t 9a1 9a9 9ai 9ap 9ay 9b5 9be 9bn 9bu 9c2 9cb 9cj 9cr 9cz 9d8 9dg 9do 9dw 9e4 9ed 9el 9et 9f2 9f9 9fi 9fr ' +
    '9fy 9g7 9gf 9gn 9gw 9h4 9hd 9hk 9ht 9i2 9i9 9ii 9ir 9iy 9j7 9jg 9jo 9jw 9k4 9kd 9km 9kt 9l3 9la 9lj 9ls 9lz 9m9 ' +
    '9mg 9mq 9mx 9n6 9nf 9nn 9nv 9o4 9od 9ol 9ot 9p2 9pa 9pj 9ps 9q0 9q8 9qh 9qq 9qy 9r7 9rf 9ro 9rw 9s5 9se 9sm 9sv ' +
    '9t3 9tc 9tl 9tt 9u2 9ua 9uj 9us 9v0 9va 9vh 9vr 9vz 9w7 9wh 9wp 9wy 9x6 9xf 9xo 9xx 9y5 9ye 9yn 9yw 9z4 9zd 9zm ' +
    '9zu a04 a0c a0l a0t a13 a1b a1k a1t a22 a2b a2j a2s a31 a3a a3j a3s a40 a4a a4i a4r a50 a59 a5i a5r a5z a69 a6h ' +
    'a6r a6z a79 a7h a7q a7z a89 a8h a8q a8z a98 a9h a9q aa0 aa8 aah aaq aaz ab9 abh abq ac0 ac8 aci acr ad0 ad8 adi ' +
    'adr ae1 ae9 aei aes af1 af9 afj aft ag1 aga agk agt ah2 ahb ahk ahu ai3 aic ail aiu aj4 ajd ajm ajw ak4 ake ako ' +
    'akw al6 alf alo aly am7 amh amp amz an8 ani anr ao0 aoa aoj aot ap2 apb apk apu aq4 aqd aqm aqw ar5 are aro ary ' +
    'as7 asg asq asz at9 ati ats au1 aub auk auu av3 avd avn avw aw5 awf awp awy ax8 axh axr ay1 aya ayk ayt az3 azd ' +
    'azm azw b06 b0f b0p b0y b19 b1i b1r b22 b2b b2k b2v b34 b3e b3o b3x b47 b4h b4r b50 b5a b5k b5u b63 b6e b6n b6x ' +
    'b77 b7g b7r b80 b8a b8k b8u b94 b9e b9n b9x ba8 bah bar bb1 bbb bbl bbv bc4 bcf bcp bcy bd9 bdi bdt be3 bec ben ' +
    'bew bf7 bfg bfr bg0 bgb bgl bgv bh4 bhf bhp bi0 bi9 bij bit bj4 bjd bjo bjy bk8 bki bkt bl2 bld blm blx bm8 bmh ' +
    'bms bn1 bnc bnn bnw bo7 boh bor bp1 bpc bpm bpw bq7 bqg bqs br1 brc brm brw bs7 bsh bsr bt2 btc btn btw bu8 buh ' +
    'bus bv3 bvd bvn bvy bw8 bwi bwt bx4 bxe bxo bxz by9 byk byu bz5 bzg bzp c01 c0b c0l c0w c17 c1h c1r c23 c2c c2o ' +
    'c2y c38 c3k c3t c45 c4f c4q c50 c5b c5m c5w c67 c6i c6s c73 c7e c7p c7z c8a c8l c8v c96 c9h c9s ca2 cad cao caz ' +
    'cba cbk cbv cc7 ccg ccs cd3 cdd cdo cdz cea cel cew cf7 cfh cft cg3 cge cgq ch0 chb chm chx ci8 cij ciu cj5 cjg ' +
    'cjr ck2 ckc cko cl0 cla cll clw cm7 cmi cmu cn4 cng cnr co1 cod coo coz cpb cpl cpx cq8 cqi cqv cr5 crg crs cs3 ' +
    'cse csp ct1 ctc ctn cty cua cuk cux cv7 cvj cvu cw5 cwh cwr cx4 cxe cxq cy2 cyc cyo cz0 cza czn czx d09 d0k d0w ' +
    'd18 d1i d1u d26 d2h d2s d34 d3g d3r d42 d4e d4q d51 d5c d5o d60 d6b d6n d6y d7a d7m d7x d88 d8l d8v d98 d9j d9v ' +
    'da6 dai dau db6 dbh dbs dc5 dcg dcs dd4 ddf ddr de3 def deq df2 dfe dfq dg1 dgd dgp dh1 dhd dhp di0 dic dio dj0 ' +
    'djc djo djz dkc dkn dkz dlc dln dlz dmb dmn dmz dnb dnn dny dob don doz dpb dpn dpz dqb dqn dqz drb drn ds0 dsb ' +
    'dsn dt0 dtc dto du0 duc duo dv0 dvd dvp dw1 dwd dwp dx2 dxd dxq dy3 dye dyr dz3 dzf dzr e04 e0g e0s e15 e1h e1t ' +
    'e26 e2i e2u e37 e3j e3v e48 e4k e4x e59 e5l e5y e6a e6n e6z e7b e7o e81 e8d e8p e92 e9f e9r ea3 eag eat eb5 ebi ' +
    'ebu ec7 ecj ecw ed9 edl edy eea een ef0 efd efp eg1 egf egr eh4 ehg eht ei6 eij eiv ej8 ejl ejy eka ekn el0 eld ' +
    'elq em2 emf ems en5 eni env eo7 eok eoy epa epn eq0 eqd eqp er3 erg ers es6 esj esv et9 etl etz eub eup ev1 evf ' +
    'evs ew5 ewh ewv ex8 exl exz eyb eyo ez2 ezf ezr f05 f0j f0v f19 f1l f1z f2c f2q f32 f3g f3t f47 f4j f4x f5a f5o ' +
    'f60 f6e f6s f75 f7i f7v f89 f8m f8z f9d f9r fa3 fah fav fb8 fbl fbz fcc fcq fd3 fdh fdu fe8 fel fey ffd ffp fg4 ' +
    'fgh fgu fh8 fhm fhz fid fiq fj4 fji fjv fk9 fkm fl1 fle flr fm6 fmj fmw fnb fno fo2 fof fou fp7 fpl fpz fqc fqr ' +
    'fr4 fri frw fs9 fso ft1 ftg ftt fu7 ful fuz fvc fvr fw5 fwi fwx fxa fxp fy2 fyh fyu fz9 fzm g01 g0e g0t g16 g1l ' +
    'g1z g2d g2r g35 g3j g3y g4b g4q g53 g5i g5x g6a g6o g73 g7h g7v g8a g8n g92 g9g g9v ga8 gan gb2 gbf gbu gc8 gcn ' +
    'gd1 gdf gdu ge8 gem gf1 gff gfu gg8 ggn gh1 ghf ghu gi8 gin gj1 gjg gjv gk9 gkn gl2 glg glw gm9 gmo gn3 gni gnw ' +
    'goa goq gp4 gpi gpy gqb gqr gr5 grk grz gse gss gt7 gtl gu1 guf guu gv9 gvn gw3 gwh gww gxb gxq gy4 gyk gyy gze ' +
    'gzs h07 h0m h11 h1g h1u h2a h2p h34 h3j h3x h4d h4s h57 h5m h61 h6g h6v h7a h7p h84 h8k h8y h9e h9t ha8 han hb3 ' +
    'hbh hbx hcc hcr hd7 hdl he1 heh hev hfb hfq hg5 hgl hh0 hhf hhv hia hip',
)

/** sin(π/2 · i/1024) */
export const sinTable: Int32Array = /* @__PURE__ */ sums(
  '0 juw juw juw juv juv juv juv juu juu jut jut jus jur juq juq juo juo jun jul jul juj jui juh juf jud jud jua ' +
    'ju9 ju8 ju5 ju4 ju2 ju0 jty jtw jtu jtr jtp jto jtk jtj jtf jte jta jt8 jt5 jt3 jt0 jsw jsu jsr jsn jsl jsh jse ' +
    'jsb js7 js4 js1 jrw jru jrp jrm jri jre jra jr6 jr2 jqy jqu jqp jqm jqh jqc jq8 jq4 jpz jpu jpq jpk jpg jpb jp6 ' +
    'jp2 jow joq jom joh job jo6 jo0 jnv jnp jnk jne jn8 jn2 jmx jmr jmk jmf jm9 jm2 jlw jlq jlk jld jl7 jl0 jku jkn ' +
    'jkh jk9 jk3 jjw jjp jji jjb jj4 jix jip jii jib ji4 jhw jho jhh jh9 jh2 jgu jgm jge jg6 jfy jfq jfi jfa jf2 jet ' +
    'jel jec je4 jdw jdn jde jd6 jcw jco jcf jc7 jbx jbo jbf jb5 jax jan jae ja5 j9v j9l j9c j92 j8s j8j j89 j7z j7p ' +
    'j7f j75 j6v j6l j6a j60 j5q j5g j55 j4u j4k j49 j3y j3o j3d j32 j2r j2g j25 j1u j1j j17 j0w j0l j0a izy izm izb ' +
    'iyz iyo iyc iy0 ixo ixc ix1 iwo iwc iw0 ivo ivb iuz iun iua ity itm it8 isw isk is6 iru irg ir4 iqr iqe iq0 ipo ' +
    'ipa iox ioj io6 int inf in1 imo ima ilx ili il5 ikr ikd ijz ijk ij7 iis iie ii0 ihl ih7 igt igd ig0 ifk if6 ier ' +
    'ied idx idj id3 icp ic9 ibu ibf ib0 iak ia5 i9q i9a i8u i8f i7z i7k i73 i6o i68 i5s i5c i4w i4g i40 i3j i33 i2n ' +
    'i27 i1q i19 i0t i0d hzv hzf hyz hyh hy1 hxj hx3 hwm hw4 hvn hv7 huo hu8 htq ht9 hsr hsa hrs hrb hqs hqb hpu hpb ' +
    'hou hob hnu hnb hmt hmc hls hlb hks hka hjs hj9 hiq hi8 hhp hh6 hgo hg4 hfm hf3 hek he1 hdi hcz hcf hbx hbd hat ' +
    'haa h9r h97 h8o h84 h7l h70 h6h h5x h5d h4u h49 h3p h35 h2l h21 h1h h0w h0c gzs gz7 gym gy2 gxi gww gwc gvs gv6 ' +
    'gum gu1 gtf gsv gsa gro gr3 gqj gpw gpc goq go5 gnj gmy gmc glq gl5 gkj gjy gjb giq gi3 ghi ggw gg9 gfo gf1 gef ' +
    'gdt gd6 gck gby gbb gao ga2 g9g g8s g86 g7j g6x g69 g5n g4z g4d g3p g32 g2g g1r g15 g0h fzu fz7 fyj fxv fx8 fwl ' +
    'fvw fv9 fum ftx fta fsl fry fra fql fpy fp9 fol fnx fn9 fmk flw fl8 fkj fju fj6 fii fhs fh4 fgf ffr ff1 fed fdo ' +
    'fcy fca fbk faw fa6 f9h f8s f82 f7d f6n f5z f58 f4j f3u f33 f2f f1o f0y f09 ezj eyt ey3 exd ewn evx ev6 euh etq ' +
    'et0 es9 erk eqs eq3 epb eom enu en4 eme elm ekw ek5 eje ein ehw eh6 ege efn eew ee5 edd ecm ebv eb4 eac e9l e8t ' +
    'e82 e7a e6j e5r e4z e48 e3f e2o e1w e14 e0c dzl dys dy0 dx7 dwg dvo duv du3 dta dsj drp dqy dq4 dpd doj dnr dmz ' +
    'dm5 dld dkk djs diy di5 dhd dgj dfr dex de4 ddb dci dbp dav da2 d98 d8g d7l d6s d5z d55 d4c d3h d2p d1u d11 d06 ' +
    'czd cyj cxq cwv cw1 cv7 cud ctj cso crv cr0 cq6 cpc coh cnn cms cly cl4 ck9 cje cik chp cgu cfz cf5 cea cdf cck ' +
    'cbp cav c9z c94 c89 c7e c6j c5o c4s c3x c32 c27 c1b c0f bzl byo bxt bwy bw2 bv7 bua btf bsk brn bqs bpw boz bo4 ' +
    'bn8 bmd blg bkj bjo bis bhw bgz bg3 bf7 bea bde bci bbm bap b9s b8w b7z b73 b66 b5a b4c b3g b2k b1m b0q azt ayw ' +
    'axz ax2 aw5 av8 aub ate ash arj aqn app aos anu amy am0 al2 ak5 aj8 aia ahd agf afi aek adm acp abr aat a9w a8x ' +
    'a80 a72 a64 a56 a49 a3a a2c a1e a0g 9zi 9yk 9xm 9wn 9vp 9ur 9tt 9su 9rw 9qy 9pz 9p1 9o2 9n4 9m5 9l7 9k8 9ja 9ib ' +
    '9hc 9ge 9fe 9eg 9di 9ci 9bk 9ak 99m 98n 97o 96p 95q 94r 93r 92t 91u 90u 8zv 8yw 8xx 8wy 8vy 8uz 8tz 8t1 8s0 8r2 ' +
    '8q2 8p2 8o3 8n3 8m4 8l5 8k4 8j5 8i6 8h5 8g6 8f6 8e7 8d7 8c6 8b7 8a8 897 887 878 867 857 848 837 828 817 807 7z7 ' +
    '7y7 7x6 7w7 7v6 7u6 7t5 7s6 7r4 7q5 7p4 7o4 7n4 7m2 7l3 7k2 7j1 7i1 7h1 7fz 7f0 7dy 7cy 7bx 7ax 79v 78v 77v 76t ' +
    '75t 74s 73q 72r 71p 70o 6zn 6yn 6xl 6wk 6vk 6ui 6th 6sg 6rf 6qe 6pd 6oc 6na 6m9 6l8 6k7 6j5 6i5 6h2 6g2 6f0 6dz ' +
    '6cx 6bw 6av 69t 68r 67r 66o 65n 64m 63k 62i 61h 60f 5ze 5yc 5xa 5w9 5v7 5u5 5t3 5s2 5r0 5py 5ow 5nu 5mt 5lr 5ko ' +
    '5jn 5il 5hj 5gh 5fg 5ed 5db 5c9 5b7 5a5 593 581 56z 55x 54u 53t 52q 51o 50m 4zk 4yh 4xg 4wd 4va 4u9 4t6 4s4 4r1 ' +
    '4q0 4ow 4nv 4ms 4lq 4kn 4jl 4ii 4hg 4ge 4fb 4e8 4d6 4c4 4b1 49y 48w 47t 46r 45o 44m 43j 42g 41e 40b 3z8 3y5 3x3 ' +
    '3w0 3uy 3tv 3ss 3rp 3qm 3pk 3oh 3ne 3mb 3l9 3k6 3j2 3i0 3gx 3fv 3er 3do 3cm 3bi 3ag 39d 389 377 364 351 33y 32v ' +
    '31s 30p 2zl 2yj 2xg 2wd 2v9 2u7 2t3 2s1 2qx 2pu 2os 2no 2mk 2li 2kf 2jb 2i8 2h6 2g2 2ey 2dw 2cs 2bp 2am 29j 28g ' +
    '27c 269 256 242 230 21w 20s 1zq 1ym 1xj 1wg 1vc 1u9 1t6 1s2 1qz 1pw 1os 1np 1mm 1li 1kf 1jc 1i8 1h5 1g2 1ey 1dv ' +
    '1cr 1bo 1al 19h 18e 17b 167 153 140 12x 11u 10q zm yj xg wc v9 u5 t2 rz qu ps oo nl mh le ka j7 i3 h0 fw et dq ' +
    'cm bi af 9c 88 74 62 4x 3u 2r 1n k',
)

/** asin(√½ · i/1024) */
export const asinTable: Int32Array = /* @__PURE__ */ sums(
  '0 8xt 8xt 8xu 8xt 8xt 8xu 8xt 8xt 8xu 8xt 8xu 8xt 8xu 8xu 8xu 8xu 8xu 8xu 8xu 8xu 8xv 8xu 8xv 8xu 8xv 8xv 8xw ' +
    '8xv 8xv 8xw 8xw 8xw 8xw 8xw 8xx 8xx 8xw 8xy 8xx 8xx 8xy 8xy 8xy 8xz 8xz 8xz 8xz 8xz 8y0 8y0 8y0 8y1 8y1 8y1 8y1 ' +
    '8y2 8y2 8y3 8y2 8y3 8y4 8y3 8y4 8y5 8y5 8y5 8y5 8y6 8y6 8y7 8y7 8y7 8y8 8y8 8y9 8y9 8y9 8ya 8ya 8yb 8yb 8yc 8yc ' +
    '8yc 8yd 8ye 8ye 8ye 8yf 8yg 8yg 8yg 8yh 8yi 8yh 8yj 8yj 8yk 8yk 8yk 8ym 8yl 8yn 8yn 8yn 8yo 8yp 8yp 8yq 8yr 8yr ' +
    '8ys 8ys 8yt 8yu 8yu 8yv 8yv 8yx 8yw 8yy 8yy 8yz 8z0 8z0 8z1 8z2 8z2 8z3 8z4 8z5 8z5 8z6 8z7 8z7 8z9 8z9 8z9 8zb ' +
    '8zb 8zd 8zc 8ze 8zf 8zf 8zg 8zh 8zi 8zj 8zj 8zk 8zm 8zm 8zm 8zo 8zp 8zp 8zr 8zr 8zs 8zt 8zu 8zv 8zw 8zw 8zy 8zz ' +
    '8zz 901 901 902 904 904 905 907 907 908 909 90b 90b 90c 90e 90e 90f 90h 90h 90j 90j 90l 90m 90n 90n 90p 90q 90s ' +
    '90s 90t 90v 90v 90x 90y 90z 910 912 912 914 915 916 917 918 91a 91b 91c 91d 91e 91g 91h 91i 91k 91k 91m 91n 91p ' +
    '91q 91r 91s 91t 91v 91x 91x 91z 920 922 922 925 925 927 928 92a 92b 92c 92e 92f 92h 92i 92j 92l 92m 92o 92p 92q ' +
    '92s 92u 92v 92w 92y 92z 931 933 934 935 937 938 93a 93b 93d 93f 93g 93i 93j 93l 93m 93o 93q 93r 93t 93u 93w 93y ' +
    '93z 941 942 944 946 948 949 94b 94c 94e 94g 94i 94j 94l 94n 94p 94q 94s 94t 94w 94x 94z 951 953 954 956 958 95a ' +
    '95b 95e 95f 95h 95j 95l 95n 95o 95q 95t 95u 95w 95y 960 961 964 966 967 96a 96b 96d 96g 96h 96j 96l 96o 96p 96r ' +
    '96t 96w 96x 96z 972 973 976 977 97a 97b 97e 97g 97i 97k 97m 97o 97q 97t 97v 97w 97z 981 984 985 988 98a 98c 98e ' +
    '98g 98j 98l 98n 98p 98s 98t 98w 98z 990 993 996 997 99a 99c 99f 99g 99j 99m 99o 99q 99s 99v 99y 99z 9a2 9a5 9a7 ' +
    '9a9 9ac 9ae 9ah 9aj 9al 9ao 9ar 9at 9av 9ay 9b0 9b3 9b6 9b8 9ba 9bd 9bg 9bi 9bl 9bn 9bq 9bt 9bv 9by 9c0 9c3 9c5 ' +
    '9c9 9ca 9ce 9cg 9cj 9cm 9co 9cr 9ct 9cx 9cz 9d2 9d4 9d7 9da 9dd 9dg 9di 9dl 9do 9dr 9dt 9dx 9dz 9e2 9e5 9e7 9eb ' +
    '9ed 9eh 9ej 9em 9ep 9es 9ev 9ex 9f1 9f4 9f6 9fa 9fc 9fg 9fi 9fm 9fo 9fs 9fu 9fy 9g1 9g3 9g7 9ga 9gd 9gg 9gj 9gm ' +
    '9gp 9gs 9gw 9gz 9h1 9h5 9h8 9hc 9he 9hi 9hl 9ho 9hr 9hv 9hy 9i1 9i4 9i7 9ib 9ie 9ii 9il 9io 9ir 9iv 9iy 9j1 9j5 ' +
    '9j8 9jb 9jf 9jj 9jl 9jp 9jt 9jw 9jz 9k3 9k6 9ka 9ke 9kg 9kl 9kn 9ks 9kv 9ky 9l2 9l6 9l9 9lc 9lh 9lj 9lo 9lr 9lv ' +
    '9ly 9m2 9m6 9m9 9md 9mh 9ml 9mo 9ms 9mv 9n0 9n3 9n7 9na 9nf 9ni 9nm 9nq 9nu 9nx 9o2 9o5 9o9 9od 9oh 9ol 9oo 9ot ' +
    '9ox 9p0 9p4 9p9 9pc 9ph 9pk 9po 9pt 9pw 9q1 9q4 9q9 9qd 9qg 9ql 9qp 9qt 9qy 9r1 9r5 9ra 9re 9ri 9rm 9rr 9ru 9rz ' +
    '9s3 9s8 9sc 9sg 9sk 9so 9st 9sx 9t2 9t6 9ta 9tf 9tj 9tn 9ts 9tw 9u1 9u5 9u9 9ue 9uj 9un 9ur 9ux 9v0 9v5 9va 9ve ' +
    '9vj 9vn 9vs 9vx 9w1 9w6 9wa 9wg 9wj 9wp 9wt 9wy 9x3 9x7 9xd 9xh 9xl 9xr 9xv 9y0 9y5 9ya 9yf 9yj 9yp 9yt 9yz 9z3 ' +
    '9z8 9zd 9zi 9zn 9zs 9zx a02 a07 a0c a0i a0m a0r a0x a11 a17 a1c a1h a1m a1r a1x a21 a27 a2d a2h a2n a2s a2x a33 ' +
    'a38 a3d a3j a3o a3t a3z a44 a4a a4f a4k a4q a4w a51 a56 a5c a5i a5n a5t a5y a64 a6a a6f a6l a6q a6x a72 a77 a7e ' +
    'a7j a7p a7u a81 a86 a8c a8i a8o a8u a8z a96 a9b a9i a9n a9t a9z aa6 aab aah aao aat ab0 ab5 abc abi abo abu ac1 ' +
    'ac7 acc ack acp acw ad2 ad8 ade adl ads adx ae5 aea aeh aen aeu af1 af7 afd afk afq afx ag4 agb agg ago agu ah1 ' +
    'ah8 ahe ahm ahs ahy ai6 aic aij aiq aix aj4 ajb aji ajo ajw ak3 ak9 akh ako akv al2 al9 alg alo alu am2 am9 amg ' +
    'amo amv an2 an9 anh ano anw ao3 aoa aoi aop aox ap5 apc apj apr apz aq6 aqe aqm aqt ar1 ar9 arg arp arw as4 asc ' +
    'asj ass at0 at7 atg atn atv au4 auc auj aus av0 av8 avg avp avx aw4 awe awl awu ax2 axb axj axs ay0 ay8 ayh ayp ' +
    'ayy az7 azf azo azx b05 b0e b0m b0w b14 b1d b1m b1v b23 b2d b2m b2u b34 b3c b3m b3v b44 b4d b4m b4v b55 b5e b5n ' +
    'b5x b65 b6g b6o b6y b78 b7h b7r b80 b89 b8k b8t b92 b9d b9m b9w ba5 bag bap baz bb9 bbk bbt bc3 bcd bcn bcx bd8 ' +
    'bdi bdr be3 bec ben bex bf7 bfi bfs bg3 bgd bgo bgy bh9 bhk bhu bi5 big biq bj2 bjc bjn bjy bk9 bkk bkv bl6 blh ' +
    'bls bm4 bmf bmq bn1 bnd bno bnz bob bom boy bp9 bpl bpx bq8 bqk bqw br8 brj brv bs8 bsj bsv bt7 btj btw bu7 buk ' +
    'buw bv9 bvk bvx bwa bwm bwy bxb bxo by0 byd byp bz3 bzf bzs c05 c0i c0v c18 c1l c1y c2b c2p c32 c3f c3s c46 c4k ' +
    'c4x c5a c5o c62 c6g c6t c77 c7l c7z c8d c8r c94 c9j c9y cab caq cb4 cbi cbx ccc ccq cd4 cdj cdy ced cer cf6 cfm ' +
    'cg0 cgf cgv ch9 chp ci4 cij ciz cje cju ck9 ckp cl5 clk cm1 cmg cmw',
)
