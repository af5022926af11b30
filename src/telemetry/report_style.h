#pragma once

namespace echelon::telemetry {

/// Layout of the report; colours come from chart_style().
inline constexpr const char* kReportStyle = R"css(
:root{color-scheme:light dark;--card:#f6f8fa;--good:#1f6feb}
@media(prefers-color-scheme:dark){:root{--card:#161b22;--good:#388bfd}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);
 font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',sans-serif}
main{max-width:1060px;margin:0 auto;padding:28px 20px 40px}
header{margin-bottom:20px}
h1{font-size:26px;line-height:1.2;margin:0;display:inline-block;overflow-wrap:anywhere}
h2{font-size:15px;margin:0 0 8px}
header p{margin:6px 0 0;color:var(--soft)}
.state{display:inline-block;margin-left:12px;padding:1px 10px;border-radius:999px;font-size:13px;
 border:1px solid var(--soft);color:var(--soft);vertical-align:4px}
.state.good{border-color:var(--good);color:var(--good)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-bottom:20px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.card b{display:block;font-size:22px;line-height:1.25;font-variant-numeric:tabular-nums}
.card span{display:block}
.card small{display:block;color:var(--soft);line-height:1.35}
figure{margin:0;border:1px solid var(--line);border-radius:10px;padding:10px 12px 4px}
figure svg{display:block;width:100%;height:auto}
.narrow{display:none}
.charts{display:grid;grid-template-columns:1fr 1fr;gap:14px;margin:14px 0 28px}
.tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:26px 32px;
 margin-bottom:26px}
section{min-width:0}
table{width:100%;border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:4px 0 4px 12px;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;
 overflow-wrap:anywhere}
th:first-child{padding-left:0;text-align:left;font-weight:400;color:var(--soft);overflow-wrap:normal}
thead th{font-weight:600;color:var(--text)}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px;margin:4px 0 12px;
 overflow-x:auto;font:13px/1.5 ui-monospace,'SF Mono',Menlo,Consolas,'Liberation Mono',monospace}
section p{margin:0;color:var(--soft)}
details{margin-top:18px}
summary{cursor:pointer;font-weight:600}
footer{margin-top:28px;color:var(--soft);font-size:13px}
@media(max-width:680px){main{padding:18px 12px 30px}.charts{grid-template-columns:1fr}
 .wide{display:none}.narrow{display:block}.cards{grid-template-columns:1fr 1fr;gap:8px}
 h1{font-size:22px}.card b{font-size:19px}}
)css";

}  // namespace echelon::telemetry
