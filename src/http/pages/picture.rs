//! Pictures of figures: plain SVG shapes that stretch, words that do not, and a table beside each for who cannot see it.
//!
//! Shapes are drawn in a box of 1000 by 100 units, so that no page needs to know how wide it will be.

use maud::{Markup, html};

use crate::http::pages::parts::{count, table};

const WIDE: f64 = 1000.0;
const HIGH: f64 = 100.0;
/// Colours of series; a fifth would be told apart by nobody.
const SERIES: [&str; 4] = ["s1", "s2", "s3", "s4"];

/// Figures over time: one or more lines over the same points.
pub(crate) struct Lines<'a> {
    /// What is shown.
    pub title: &'a str,
    /// What the figures count.
    pub unit: &'a str,
    /// The names of the points, in order.
    pub points: &'a [String],
    /// Each line: its name, and a figure a point.
    pub lines: &'a [(&'a str, Vec<u64>)],
}

impl Lines<'_> {
    /// The picture with its table.
    pub(crate) fn draw(&self) -> Markup {
        let most = self.lines.iter().flat_map(|(_, values)| values.iter().copied()).max().unwrap_or(0);
        let places = self.points.len().saturating_sub(1).max(1) as f64;
        let at = |i: usize, value: u64| (i as f64 * WIDE / places, HIGH - height(value, most));
        let first_last = [self.points.first(), self.points.last()];
        let described = format!("{}: at most {} {}", self.title, count(most), self.unit);
        html! {
            figure.picture {
                figcaption { (self.title) }
                @if self.lines.len() > 1 { (keys(self.lines.iter().map(|(name, _)| *name))) }
                div.plot {
                    span.most { (count(most)) " " (self.unit) }
                    svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label=(described) {
                        title { (self.title) }
                        desc { (described) }
                        @for ((_, values), class) in self.lines.iter().zip(SERIES) {
                            @let way = way(values.iter().enumerate().map(|(i, value)| at(i, *value)));
                            @let end = at(values.len().saturating_sub(1), 0).0;
                            @if !values.is_empty() {
                                path class={ "area " (class) } d={ "M0 100 L" (way) " L" (end) " 100Z" } {}
                                path class={ "line " (class) } d={ "M" (way) } {}
                            }
                        }
                    }
                }
                div.axis aria-hidden="true" { @for point in first_last.into_iter().flatten() { span { (point) } } }
                (as_table(self.title, "When", self.lines.iter().map(|(name, _)| *name), self.points.iter().enumerate().map(|(i, point)| {
                    let figures = self.lines.iter().map(|(_, values)| values.get(i).copied().unwrap_or(0)).collect();
                    (point.as_str(), figures)
                })))
            }
        }
    }
}

/// How much of a whole each has: a bar a name, the largest first as handed in.
pub(crate) fn shares(title: &str, unit: &str, parts: &[(String, u64)]) -> Markup {
    let whole: u64 = parts.iter().map(|(_, value)| value).sum();
    let percent = |value: u64| if whole == 0 { 0.0 } else { value as f64 * 100.0 / whole as f64 };
    html! {
        figure.picture {
            figcaption { (title) }
            div.bars {
                @for (name, value) in parts {
                    span { (name) }
                    svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true" {
                        rect.rail width="1000" height="100" {}
                        rect.s1 width=(format!("{:.1}", percent(*value) * WIDE / 100.0)) height="100" {}
                    }
                    span { (count(*value)) " " (unit) " · " (format!("{:.1} %", percent(*value))) }
                }
            }
        }
    }
}

/// How many fall into each class, classes in order.
pub(crate) fn histogram(title: &str, unit: &str, classes: &[(String, u64)]) -> Markup {
    let most = classes.iter().map(|(_, value)| *value).max().unwrap_or(0);
    let wide = WIDE / classes.len().max(1) as f64;
    let described = format!("{title}: at most {} {unit} in one class", count(most));
    html! {
        figure.picture {
            figcaption { (title) }
            div.plot {
                span.most { (count(most)) " " (unit) }
                svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label=(described) {
                    title { (title) }
                    desc { (described) }
                    @for (i, (_, value)) in classes.iter().enumerate() {
                        @let high = height(*value, most);
                        rect.s1 x=(format!("{:.1}", (i as f64 + 0.1) * wide)) y=(format!("{:.1}", HIGH - high))
                            width=(format!("{:.1}", wide * 0.8)) height=(format!("{high:.1}")) {}
                    }
                }
            }
            div class="axis even" aria-hidden="true" { @for (name, _) in classes { span { (name) } } }
            (as_table(title, "Class", [unit], classes.iter().map(|(name, value)| (name.as_str(), vec![*value]))))
        }
    }
}

/// One lane of a timeline.
pub(crate) struct Lane {
    /// What it is about.
    pub name: String,
    /// What there is to say of it, dates among it.
    pub note: String,
    /// From, to (Unix seconds), and which colour: 0 to 3.
    pub spans: Vec<(u64, u64, usize)>,
}

/// Lanes over one stretch of time, with the present marked. `keys` names the colours.
pub(crate) fn timeline(
    title: &str,
    (from_s, to_s): (u64, u64),
    now_s: u64,
    keys_of: &[&str],
    lanes: &[Lane],
) -> Markup {
    let length = to_s.saturating_sub(from_s).max(1) as f64;
    let place = |at_s: u64| at_s.clamp(from_s, to_s).saturating_sub(from_s) as f64 * WIDE / length;
    let day = |s: u64| crate::clock::rfc3339(s).chars().take(10).collect::<String>();
    html! {
        figure.picture {
            figcaption { (title) }
            (keys(keys_of.iter().copied()))
            @for lane in lanes {
                div.lane {
                    span { strong { (lane.name) } " " small { (lane.note) } }
                    svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true" {
                        rect.rail width="1000" height="100" {}
                        @for (from, to, colour) in &lane.spans {
                            @let (x, end) = (place(*from), place(*to));
                            rect class=(SERIES.get(*colour).copied().unwrap_or("s1")) x=(format!("{x:.1}")) y="15"
                                width=(format!("{:.1}", (end - x).max(4.0))) height="70" {}
                        }
                        line.now x1=(format!("{:.1}", place(now_s))) x2=(format!("{:.1}", place(now_s))) y1="0" y2="100" {}
                    }
                }
            }
            div.axis { span { (day(from_s)) } span { "line: now, " (day(now_s)) } span { (day(to_s)) } }
        }
    }
}

fn height(value: u64, most: u64) -> f64 {
    if most == 0 { 0.0 } else { value as f64 * HIGH * 0.86 / most as f64 } // the figure on top has room
}

fn way(points: impl Iterator<Item = (f64, f64)>) -> String {
    points.map(|(x, y)| format!("{x:.1} {y:.1}")).collect::<Vec<_>>().join(" L")
}

fn keys<'a>(names: impl Iterator<Item = &'a str>) -> Markup {
    html! {
        ul.keys {
            @for (name, class) in names.zip(SERIES) {
                li { svg viewBox="0 0 10 10" aria-hidden="true" { rect class=(class) width="10" height="10" {} } (name) }
            }
        }
    }
}

fn as_table<'a>(
    title: &str,
    first: &'a str,
    names: impl IntoIterator<Item = &'a str>,
    rows: impl Iterator<Item = (&'a str, Vec<u64>)>,
) -> Markup {
    let heads: Vec<&str> = std::iter::once(first).chain(names).collect();
    let row = |(name, figures): (&str, Vec<u64>)| {
        std::iter::once(html! { (name) }).chain(figures.into_iter().map(|figure| html! { (count(figure)) })).collect()
    };
    let rows: Vec<Vec<Markup>> = rows.map(row).collect();
    html! { details { summary { "The same as a table" } (table(title, &heads, &rows)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_words_for_who_cannot_see_it_and_no_inline_style() {
        let points = ["Mon".to_owned(), "Tue".to_owned()];
        let lines =
            Lines { title: "T <x>", unit: "u", points: &points, lines: &[("a", vec![1, 2]), ("b", vec![0, 0])] };
        let lane = Lane { name: "key 1".to_owned(), note: String::new(), spans: vec![(5, 9, 0)] };
        for picture in [
            lines.draw(),
            histogram("T <x>", "u", &[("1".to_owned(), 0)]),
            shares("T <x>", "u", &[("p".to_owned(), 3)]),
            timeline("T <x>", (0, 10), 5, &["active"], &[lane]),
        ] {
            let text = picture.into_string();
            assert!(text.contains("<figcaption>T &lt;x&gt;"), "{text}");
            assert!(!text.contains("style=") && !text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
