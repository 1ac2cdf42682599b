/** The one style sheet, served from the console's own origin. Light and dark, from 320 px up, nothing that moves. */
export const css: string = `
:root{color-scheme:light dark;--ground:#f5f6f8;--card:#fff;--ink:#16202c;--muted:#566474;--line:#dde2e8;--accent:#0b5cad;--accent-ink:#fff;--good:#0a6b3d;--good-bg:#e3f4ea;--bad:#a61b1b;--bad-bg:#fbe7e7;--warn:#7a4b00;--warn-bg:#fdf0d8;--plain-bg:#eceff3}
@media (prefers-color-scheme:dark){:root{--ground:#0f151c;--card:#18212b;--ink:#e6ebf0;--muted:#9fb0c0;--line:#2b3845;--accent:#7fbcff;--accent-ink:#08131f;--good:#7fd8a5;--good-bg:#12321f;--bad:#ff9d9d;--bad-bg:#3d1a1a;--warn:#ffce80;--warn-bg:#3a2a0d;--plain-bg:#243140}}
*{box-sizing:border-box}
html{font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','DejaVu Sans',sans-serif;background:var(--ground);color:var(--ink);-webkit-text-size-adjust:100%}
body{margin:0;min-height:100vh;display:flex;flex-direction:column}
a{color:var(--accent);text-underline-offset:.15em}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:4px}
main:focus{outline:none}
.skip{position:absolute;left:-100vw;top:0;background:var(--card);padding:.75rem 1rem;z-index:1}
.skip:focus{left:0}
.bar{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem 2rem;padding:.5rem max(1rem,calc((100vw - 88rem)/2));background:var(--card);border-bottom:1px solid var(--line)}
.brand{display:inline-flex;align-items:center;gap:.6rem;font-weight:700;font-size:1.1rem;letter-spacing:-.01em;color:var(--ink);text-decoration:none;padding:.25rem 0}
.gate{width:1.1rem;height:1.35rem;border:.22rem solid var(--accent);border-bottom:0;border-radius:.6rem .6rem 0 0}
.bar ul{display:flex;flex-wrap:wrap;list-style:none;margin:0;padding:0;gap:.25rem}
.bar li a,.tabs a{display:block;padding:.4rem .8rem;border-radius:6px;color:var(--ink);text-decoration:none}
.bar li a:hover,.tabs a:hover{background:var(--plain-bg)}
.bar li a[aria-current]{background:var(--plain-bg);font-weight:600;box-shadow:inset 0 -2px var(--accent)}
main{flex:1;width:100%;max-width:90rem;margin:0 auto;padding:1.25rem 1rem 2rem}
.head{display:flex;flex-wrap:wrap;align-items:center;justify-content:space-between;gap:.75rem;margin-bottom:1rem}
h1{font-size:1.6rem;line-height:1.2;margin:0;letter-spacing:-.02em}
h2{font-size:1.1rem;margin:0 0 .25rem}
.tabs{display:flex;flex-wrap:wrap;gap:.25rem;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.2rem}
.tabs a{padding:.25rem .75rem}
.tabs a[aria-current]{background:var(--accent);color:var(--accent-ink);font-weight:600}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem;margin:0 0 1rem}
.muted{color:var(--muted)}
p{margin:0 0 .75rem}
.graph{display:grid;grid-template-columns:minmax(0,1fr);gap:1rem}
@media (min-width:72rem){.graph{grid-template-columns:minmax(0,1fr) 26rem}}
.graph img{display:block;width:100%;max-width:60rem;height:auto;border-radius:8px}
.picture p{margin:.5rem 0 0;padding-left:1rem}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.graph .scroll{max-height:27rem;border:1px solid var(--line);border-radius:8px}
.scroll{overflow:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);padding:.35rem .6rem;font-size:.85rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-top:1px solid var(--line)}
thead th{position:sticky;top:0;background:var(--card);border-top:0;box-shadow:0 1px var(--line);white-space:nowrap}
tbody th{font-weight:500;white-space:nowrap}
.num{text-align:right}
.sum th,.sum td{font-weight:700}
code{font:.85em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}
tbody th code,.id{overflow-wrap:normal;white-space:nowrap}
.tag{display:inline-block;padding:.05rem .5rem;border-radius:99px;font-size:.8rem;font-weight:600;background:var(--plain-bg)}
.good{color:var(--good);background:var(--good-bg)}.bad{color:var(--bad);background:var(--bad-bg)}.warn{color:var(--warn);background:var(--warn-bg)}
.chip{display:inline-block;padding:0 .45rem;margin:.1rem .1rem .1rem 0;border:1px solid var(--line);border-radius:6px;font-size:.82rem;overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(13rem,100%),1fr));gap:.9rem 1.5rem;margin:0}
dt{color:var(--muted);font-size:.82rem}
dd{margin:0;font-weight:500;overflow-wrap:anywhere}
.box{list-style:none;margin:0 0 .3rem;padding:0}
.filters{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(11rem,100%),1fr));gap:.75rem;align-items:end}
label{display:grid;gap:.2rem;font-size:.82rem;color:var(--muted)}
input,select{font:inherit;font-size:.95rem;color:var(--ink);background:var(--ground);border:1px solid #7b8794;border-radius:6px;padding:0 .5rem;height:2.4rem;min-width:0;width:100%}
.actions{display:flex;align-items:center;gap:1rem}
button,.button{display:inline-block;font:inherit;font-weight:600;background:var(--accent);color:var(--accent-ink);border:0;border-radius:6px;padding:.45rem 1rem;text-decoration:none;cursor:pointer}
.more{margin:1rem 0 0}
.nothing{color:var(--muted);margin:.5rem 0}
footer{color:var(--muted);font-size:.82rem;padding:1rem;text-align:center}
@media print{.bar,.tabs,.filters,.skip{display:none}.scroll{max-height:none!important;overflow:visible}.card{break-inside:avoid}}
`.trim()
