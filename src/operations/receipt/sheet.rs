//! A receipt as a page of HTML for a roll of 80 mm or a sheet of A4: nothing is loaded from elsewhere and nothing runs on it.

use std::fmt::Write;

use domain::notice::Language;
use qrcode::{Color, QrCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::operations::{Error, books};

/// What a receipt is printed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub enum Paper {
    /// A roll 80 mm wide.
    #[default]
    #[serde(rename = "80mm")]
    Roll,
    /// A sheet of A4.
    #[serde(rename = "a4")]
    A4,
}

/// What stands on a receipt, in its language.
pub struct Sheet {
    pub(super) paper: Paper,
    pub(super) language: Language,
    /// Whose site it is; empty where the receipt is older than its heading.
    pub(super) site: String,
    pub(super) title: String,
    /// What marks a reprint, or what was reversed.
    pub(super) marks: Vec<String>,
    pub(super) parts: Vec<Part>,
    /// What the customer should know.
    pub(super) note: Option<String>,
    /// What the code says to whoever checks it.
    pub(super) code: String,
}

/// A part of a receipt.
pub(super) enum Part {
    /// Names and values, each on a line.
    Facts(Vec<(String, String)>),
    /// The same with one that matters most before them.
    Amount((String, String), Vec<(String, String)>),
    /// Rows of four columns below a title, then names and values.
    Table { title: String, head: [String; 4], rows: Vec<[String; 4]>, sums: Vec<(String, String)> },
}

/// Height of a roll's page in mm: what does not grow, and what each line adds. A page that is too long ends in blank paper,
/// one that is too short would be cut within the receipt.
const ROLL_MM: (usize, usize) = (58, 5);
/// Bytes of a name and its value that a line of a roll holds for certain; a Chinese character has three, and is two wide.
const ROLL_LINE: usize = 38;

const CSS: &str = "
*{box-sizing:border-box;margin:0;padding:0}
html{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{color:#111;background:#fff;font:9pt/1.45 'Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC','PingFang SC','Microsoft YaHei','WenQuanYi Micro Hei','Helvetica Neue',Arial,sans-serif}
header{text-align:center}
.site{font-size:9pt}
h1{font-size:14pt;line-height:1.3;font-weight:700}
.mark{width:fit-content;margin:1mm auto 0;padding:0 3mm;border:.5mm solid #111;font-size:11pt;font-weight:700}
section{margin-top:2mm;padding-top:2mm;border-top:.3mm dashed #111;break-inside:avoid}
h2{font-size:9pt;font-weight:700;margin-bottom:.5mm}
dl>div{display:flex;justify-content:space-between;gap:3mm}
dt{flex:none;color:#333}
dd{min-width:0;overflow-wrap:anywhere;text-align:right;font-variant-numeric:tabular-nums}
.most dt,.most dd{font-size:13pt;line-height:1.4;font-weight:700;color:#111}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th{font-weight:400;color:#333;border-bottom:.2mm solid #111}
th,td{text-align:right;padding:.3mm 0 .3mm 2mm}
th:first-child,td:first-child{text-align:left;padding-left:0}
tbody+*{border-top:.2mm solid #111}
table+dl{margin-top:.5mm;padding-top:.5mm;border-top:.2mm solid #111}
.note{margin-top:2mm;font-weight:700;text-align:center}
.code{margin-top:3mm;text-align:center}
.code svg{width:30mm;height:30mm}
.code p{font-size:7pt;overflow-wrap:anywhere}
";

const ROLL_CSS: &str = "body{width:80mm;padding:4mm 4mm 6mm;margin:0 auto}";

const A4_CSS: &str = "
@page{size:A4 portrait;margin:18mm 18mm}
body{max-width:174mm;margin:0 auto;font-size:10.5pt;position:relative}
header{text-align:left;min-height:32mm;padding-right:38mm}
.site{font-size:12pt}
h1{font-size:22pt}
.mark{font-size:14pt;margin-left:0}
section{border-top:.3mm solid #999;margin-top:4mm;padding-top:4mm}
h2{font-size:11pt;margin-bottom:1.5mm}
.facts dl{display:grid;grid-template-columns:1fr 1fr;column-gap:14mm}
.most dt,.most dd{font-size:16pt}
dl>div{padding:.5mm 0}
th,td{padding:1mm 0 1mm 4mm}
.note{text-align:left;margin-top:5mm}
.code{position:absolute;top:-2mm;right:-3mm;margin:0}
.code p{display:none}
@media screen{body{padding:18mm;max-width:210mm}.code{top:16mm;right:15mm}}
";

impl Sheet {
    /// The page.
    ///
    /// # Errors
    /// The code holds more than can be drawn.
    pub(super) fn html(&self) -> Result<String, Error> {
        let language = match self.language {
            Language::Zh => "zh-CN",
            Language::En => "en",
        };
        let (title, code) = (escape(&self.title), drawn(&self.code)?);
        let mut body = format!("<header><p class=\"site\">{}</p><h1>{title}</h1>", escape(&self.site));
        for mark in &self.marks {
            body.push_str(&format!("<p class=\"mark\">{}</p>", escape(mark)));
        }
        body.push_str("</header>\n");
        self.parts.iter().for_each(|part| body.push_str(&part.html()));
        if let Some(note) = &self.note {
            body.push_str(&format!("<p class=\"note\">{}</p>\n", escape(note)));
        }
        body.push_str(&format!("<div class=\"code\">{code}<p>{}</p></div>\n", escape(&self.code)));
        Ok(format!(
            "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>{CSS}{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
            self.paper_css(),
        ))
    }

    fn paper_css(&self) -> String {
        match self.paper {
            Paper::A4 => A4_CSS.to_owned(),
            Paper::Roll => {
                let (least, line) = ROLL_MM;
                let told = self.marks.iter().chain(&self.note).map(|text| 2 + lines(text, "")).sum::<usize>();
                let height = least + line * (told + self.parts.iter().map(Part::lines).sum::<usize>());
                format!("\n@page{{size:80mm {height}mm;margin:0}}\n{ROLL_CSS}\n")
            }
        }
    }
}

impl Part {
    /// How many lines of a roll it takes.
    fn lines(&self) -> usize {
        let all = |facts: &[(String, String)]| facts.iter().map(|(name, value)| lines(name, value)).sum::<usize>();
        match self {
            Self::Facts(facts) => all(facts) + 1,
            Self::Amount(_, facts) => all(facts) + 3,
            Self::Table { rows, sums, .. } => rows.len() + all(sums) + 3,
        }
    }

    fn html(&self) -> String {
        match self {
            Self::Facts(facts) => format!("<section class=\"facts\">{}</section>\n", list(facts)),
            Self::Amount((name, value), facts) => {
                let (name, value) = (escape(name), escape(value));
                let most = format!("<dl class=\"most\"><div><dt>{name}</dt><dd>{value}</dd></div></dl>");
                format!("<section>{most}{}</section>\n", list(facts))
            }
            Self::Table { title, head, rows, sums } => {
                let cells = |cells: &[String; 4], tag: &str| -> String {
                    cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
                };
                let body: String = rows.iter().map(|row| format!("<tr>{}</tr>", cells(row, "td"))).collect();
                let table = if rows.is_empty() {
                    String::new()
                } else {
                    format!("<table><thead><tr>{}</tr></thead><tbody>{body}</tbody></table>", cells(head, "th"))
                };
                format!("<section><h2>{}</h2>{table}{}</section>\n", escape(title), list(sums))
            }
        }
    }
}

/// How many lines of a roll a name and its value take.
fn lines(name: &str, value: &str) -> usize {
    1 + (name.len() + value.len()) / ROLL_LINE
}

fn list(facts: &[(String, String)]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let line =
        |(name, value): &(String, String)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    format!("<dl>{}</dl>", facts.iter().map(line).collect::<String>())
}

/// A text as HTML shows it, between tags and within quotation marks.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// White modules around a code, as its standard asks.
const QUIET: usize = 4;

/// A QR code as a drawing.
fn drawn(text: &str) -> Result<String, Error> {
    let code = QrCode::new(text).map_err(|bad| books::corrupt(format!("the code of a receipt: {bad}")))?;
    let (width, mut path) = (code.width(), String::new());
    for (place, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let (x, y) = (place % width + QUIET, place / width + QUIET);
        // Writing to a string does not fail.
        let _ = write!(path, "M{x} {y}h1v1h-1z");
    }
    let side = width + 2 * QUIET;
    Ok(format!(
        "<svg viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\" role=\"img\"><path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sheet(text: &str) -> Sheet {
        let facts = vec![(text.to_owned(), text.to_owned())];
        let row = || [0; 4].map(|_| text.to_owned());
        Sheet {
            paper: Paper::Roll,
            language: Language::En,
            site: text.to_owned(),
            title: text.to_owned(),
            marks: vec![text.to_owned()],
            parts: vec![
                Part::Facts(facts.clone()),
                Part::Amount((text.to_owned(), text.to_owned()), facts.clone()),
                Part::Table { title: text.to_owned(), head: row(), rows: vec![row()], sums: facts },
            ],
            note: Some(text.to_owned()),
            code: text.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn nothing_on_a_receipt_becomes_a_tag(text in "[a-z<>&\"'/=! ]{1,40}") {
            let tags = |html: String| html.matches('<').count() + html.matches('>').count();
            let plain = tags(sheet("x").html().unwrap());
            prop_assert_eq!(tags(sheet(&text).html().unwrap()), plain);
        }
    }

    #[test]
    fn a_text_that_is_longer_than_a_code_is_refused() {
        assert!(sheet(&"x".repeat(5000)).html().is_err());
    }

    #[test]
    fn a_longer_receipt_has_a_longer_page() {
        let (short, mut long) = (sheet("x"), sheet("x"));
        long.parts.push(Part::Facts(vec![(String::new(), "x".repeat(ROLL_LINE)); 9]));
        // 15 lines; and 19 more.
        assert!(short.paper_css().contains("80mm 143mm"), "{}", short.paper_css());
        assert!(long.paper_css().contains("80mm 238mm"), "{}", long.paper_css());
    }
}
