//! The parts that pages are put together from: heads, facts, tables, notices, empty states, fields, times.

use maud::{Markup, html};

use crate::clock::rfc3339;
use crate::http::pages::icons::{Icon, icon};

/// How something is, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Neither.
    Plain,
    /// As it should be.
    Good,
    /// Somebody should look.
    Warn,
    /// It is wrong.
    Bad,
    /// It is under way.
    Live,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Live => "live",
        }
    }
}

/// The head of a page: what it is, and what it is for.
pub(crate) fn head(title: &str, lead: &str) -> Markup {
    html! { header.head { h1 { (title) } @if !lead.is_empty() { p { (lead) } } } }
}

/// A word with a colour that only repeats what the word says.
pub(crate) fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (text) } }
}

/// A card with a title.
pub(crate) fn card(title: &str, body: Markup) -> Markup {
    html! { section.card { h2 { (title) } (body) } }
}

/// A figure that stands for itself.
pub(crate) fn fact(value: &str, what: &str) -> Markup {
    html! { div.fact { b { (value) } span { (what) } } }
}

/// Names and what they have.
pub(crate) fn facts(pairs: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in pairs { dt { (name) } dd { (value) } } } }
}

/// A word to the reader that must not be missed.
pub(crate) fn notice(tone: Tone, title: &str, body: Markup) -> Markup {
    let shape = match tone {
        Tone::Good => Icon::Tick,
        Tone::Warn | Tone::Bad => Icon::Warning,
        Tone::Plain | Tone::Live => Icon::Info,
    };
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! { div class={ "notice " (tone.class()) } role=(role) { (icon(shape)) div { strong { (title) } (body) } } }
}

/// Nothing is here: why, and what would be.
pub(crate) fn empty(which: Icon, title: &str, why: &str) -> Markup {
    html! { div.empty { (icon(which)) strong { (title) } p { (why) } } }
}

/// A table whose rows become cards on a phone: `caption` says what it lists; the first cell of a row names it.
pub(crate) fn table(caption: &str, heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        table.cards {
            caption { (caption) }
            thead { tr { @for head in heads { th scope="col" { (head) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (i, cell) in row.iter().enumerate() {
                            @if i == 0 { th scope="row" { (cell) } }
                            @else { td data-name=[heads.get(i).filter(|head| !head.is_empty())] { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// A moment in milliseconds, for people and for programs, in UTC.
pub(crate) fn time(ms: u64) -> Markup {
    let exact = rfc3339(ms / 1000);
    let shown = exact.get(..16).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) { (shown) " UTC" } }
}

/// A text of ours in which backticks mark what is typed.
pub(crate) fn worded(text: &str) -> Markup {
    html! { @for (i, part) in text.split('`').enumerate() { @if i % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// A span of time in the two largest units that it has: "3 d 4 h".
pub(crate) fn span(s: u64) -> String {
    let (d, h, m) = (s / 86_400, s / 3600 % 24, s / 60 % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, m) => format!("{m} min"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

/// A whole number with thin gaps between thousands.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

/// A field of a form: its label, what to write, and what was wrong with it the last time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Field<'a> {
    /// Its name in the form; its id on the page too.
    pub name: &'a str,
    /// What it is called.
    pub label: &'a str,
    /// What to write, in a sentence.
    pub hint: &'a str,
    /// What it holds already.
    pub value: &'a str,
    /// What was wrong.
    pub mistake: &'a str,
    /// Whether it may stay empty.
    pub optional: bool,
    /// How many bytes at most.
    pub most: usize,
}

impl Field<'_> {
    fn around(&self, control: Markup) -> Markup {
        html! {
            div.field {
                label for=(self.name) { (self.label) @if self.optional { " " small { "(may be left out)" } } }
                @if !self.hint.is_empty() { small id={ (self.name) "-hint" } { (self.hint) } }
                (control)
                @if !self.mistake.is_empty() { span.mistake id={ (self.name) "-mistake" } { (self.mistake) } }
            }
        }
    }

    fn described(&self) -> Option<String> {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.name));
        let mistake = (!self.mistake.is_empty()).then(|| format!("{}-mistake", self.name));
        let all: Vec<String> = hint.into_iter().chain(mistake).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    fn invalid(&self) -> Option<&'static str> {
        (!self.mistake.is_empty()).then_some("true")
    }

    /// One line.
    pub(crate) fn line(&self) -> Markup {
        let most = (self.most > 0).then_some(self.most);
        self.around(html! {
            input id=(self.name) name=(self.name) value=(self.value) maxlength=[most] required[!self.optional]
                aria-describedby=[self.described()] aria-invalid=[self.invalid()] autocomplete="off";
        })
    }

    /// Several lines.
    pub(crate) fn lines(&self) -> Markup {
        let most = (self.most > 0).then_some(self.most);
        self.around(html! {
            textarea id=(self.name) name=(self.name) maxlength=[most] required[!self.optional]
                aria-describedby=[self.described()] aria-invalid=[self.invalid()] { (self.value) }
        })
    }

    /// One of these: value and what it is called.
    pub(crate) fn choice(&self, choices: &[(&str, &str)]) -> Markup {
        self.around(html! {
            select id=(self.name) name=(self.name) aria-describedby=[self.described()] aria-invalid=[self.invalid()] {
                @for (value, text) in choices { option value=(value) selected[*value == self.value] { (text) } }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(span(59), "59 s");
        assert_eq!(span(3_700), "1 h 1 min");
        assert_eq!(span(90_000), "1 d 1 h");
    }

    #[test]
    fn what_people_wrote_stays_text() {
        let page =
            Field { name: "reason", label: "Why", value: "\"><script>", ..Field::default() }.line().into_string();
        assert!(!page.contains("<script>"), "{page}");
    }
}
