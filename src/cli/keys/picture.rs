//! The keys' lives as a picture: a line for each key, what it was and is, what it waits for, and now. One SVG without scripts
//! or anything from elsewhere; dark where the reader's screen is.

use std::fmt::Write;

use crate::clock::rfc3339;
use crate::dnssec::life::{KeyLife, State, Wait};

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
/// What is shown at least before and after now; more where a life began earlier or a wait ends later.
const BEFORE_S: u64 = 2 * HOUR_S;
const AFTER_S: u64 = 2 * HOUR_S;
/// A life that began earlier is shown from here on.
const BEFORE_S_MAX: u64 = 400 * DAY_S;
/// Distances between marks on the axis; the first that needs no more than [`MARKS_MAX`] is taken.
const STEPS_S: [u64; 9] =
    [HOUR_S / 4, HOUR_S, 3 * HOUR_S, 6 * HOUR_S, DAY_S, 7 * DAY_S, 30 * DAY_S, 91 * DAY_S, 365 * DAY_S];
const MARKS_MAX: u64 = 8;

/// Pixels.
const WIDTH: u64 = 960;
const LEFT: u64 = 130;
const RIGHT: u64 = 24;
const TOP: u64 = 64;
const ROW: u64 = 44;
const BAR: u64 = 20;
const FOOT: u64 = 56;
/// A label needs so much.
const LETTER: u64 = 7;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1b1f24}.title{font-size:16px;font-weight:600}.small{font-size:11px;fill:#57606a}\
.bar{fill:#8c959f}.coming{fill:#bf8700}.active{fill:#1a7f37}.going{fill:#8250df}.in{fill:#fff;font-size:11px}\
.wait{fill:none;stroke:#57606a;stroke-dasharray:4 3}.axis{stroke:#d0d7de}.now{stroke:#cf222e;stroke-width:1.5}.page{fill:#fff}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.page{fill:#0d1117}.axis{stroke:#3d444d}.wait{stroke:#9198a1}\
.active{fill:#238636}.coming{fill:#9e6a03}.going{fill:#6e40c9}.bar{fill:#656c76}.in{fill:#fff}}";

/// A stretch of a key's life.
struct Stretch {
    from_s: u64,
    to_s: u64,
    state: State,
}

/// The picture: `headline` says whose keys they are and who must act next; `waits` are those of all keys.
pub(super) fn timeline(headline: &str, keys: &[KeyLife], waits: &[Wait], now_s: u64) -> String {
    let rows: Vec<(&KeyLife, Vec<Stretch>, Option<u64>)> = keys
        .iter()
        .map(|key| {
            let of_key = waits.iter().filter(|wait| wait.key == Some(key.id()));
            (key, stretches(key, now_s), of_key.filter_map(|wait| wait.until_s).filter(|s| *s > now_s).min())
        })
        .collect();
    let first_s = rows.iter().filter_map(|(_, all, _)| all.first()).map(|stretch| stretch.from_s).min();
    let last_s = rows.iter().filter_map(|(_, _, until_s)| *until_s).max();
    let from_s = first_s.unwrap_or(now_s).min(now_s.saturating_sub(BEFORE_S)).max(now_s.saturating_sub(BEFORE_S_MAX));
    let axis = Axis { from_s, to_s: last_s.unwrap_or(now_s).max(now_s + AFTER_S), now_s };
    let height = TOP + ROW * rows.len() as u64 + FOOT;
    let title = escaped(headline);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-labelledby=\"t d\">\n<title id=\"t\">{title}</title>\n<desc id=\"d\">{}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n<text class=\"title\" x=\"16\" y=\"30\">{title}</text>\n",
        escaped(&in_words(&rows)),
    );
    axis.draw(height, &mut svg);
    for (row, (key, all, until_s)) in rows.iter().enumerate() {
        axis.row(TOP + ROW * row as u64, key, all, *until_s, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

/// What a key was and is, in order. What happened before records were kept is part of the first.
fn stretches(key: &KeyLife, now_s: u64) -> Vec<Stretch> {
    let dates = [
        (key.published_s, State::Published),
        (key.ready_s, State::Ready),
        (key.offered_s, State::Submitted),
        (key.activated_s, State::Active),
        (key.retired_s, State::Retired),
        (key.removed_s, State::Removed),
    ];
    let mut known: Vec<(u64, State)> = dates.into_iter().filter_map(|(at_s, state)| Some((at_s?, state))).collect();
    known.sort_by_key(|(at_s, _)| *at_s);
    match known.last() {
        Some((_, state)) if *state == key.state => {}
        // A wait may have begun anew, or the date of this state is not kept: it is the one that counts.
        last => known.push((last.map_or(key.created_s, |(at_s, _)| key.since_s.max(*at_s)), key.state)),
    }
    let ends: Vec<u64> = known.iter().skip(1).map(|(at_s, _)| *at_s).chain([now_s]).collect();
    let stretch = |((from_s, state), to_s): ((u64, State), u64)| Stretch { from_s, to_s: to_s.max(from_s), state };
    known.into_iter().zip(ends).map(stretch).filter(|stretch| stretch.state != State::Removed).collect()
}

/// The same for other pictures: from, to, and 0 coming, 1 in use, 2 going.
pub(crate) fn stretches_of(key: &KeyLife, now_s: u64) -> Vec<(u64, u64, usize)> {
    let sort = |state| match class(state) {
        "active" => 1,
        "going" => 2,
        _ => 0,
    };
    stretches(key, now_s).into_iter().map(|one| (one.from_s, one.to_s, sort(one.state))).collect()
}

fn in_words(rows: &[(&KeyLife, Vec<Stretch>, Option<u64>)]) -> String {
    let words = rows.iter().map(|(key, _, until_s)| {
        let wait = until_s.map_or(String::new(), |until_s| format!(", waits until {}", rfc3339(until_s)));
        format!(
            "{} {} of algorithm {}: {} since {}{wait}",
            key.role,
            key.tag,
            key.algorithm,
            key.state.as_str(),
            rfc3339(key.since_s)
        )
    });
    words.collect::<Vec<_>>().join("; ")
}

fn class(state: State) -> &'static str {
    match state {
        State::PreSigning | State::Published | State::Ready | State::Submitted => "coming",
        State::Active => "active",
        State::Retired | State::Revoked | State::PostSigning => "going",
        State::Generated | State::Removed => "bar",
    }
}

/// The times that are shown.
struct Axis {
    from_s: u64,
    to_s: u64,
    now_s: u64,
}

impl Axis {
    fn x(&self, at_s: u64) -> u64 {
        let at_s = at_s.clamp(self.from_s, self.to_s);
        LEFT + (at_s - self.from_s) * (WIDTH - LEFT - RIGHT) / (self.to_s - self.from_s).max(1)
    }

    fn draw(&self, height: u64, svg: &mut String) {
        let span_s = self.to_s - self.from_s;
        let step_s = STEPS_S.into_iter().find(|step_s| span_s / step_s <= MARKS_MAX).unwrap_or(365 * DAY_S);
        let bottom = height - FOOT + 8;
        let mut mark_s = self.from_s.div_ceil(step_s) * step_s;
        while mark_s <= self.to_s {
            let (x, text) = (self.x(mark_s), rfc3339(mark_s));
            // Days by their date, hours with it; the seconds are always zero.
            let text = if step_s >= DAY_S { &text[..10] } else { &text[5..16] };
            put(svg, format_args!("<line class=\"axis\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\"/>", TOP - 12));
            put(
                svg,
                format_args!(
                    "<text class=\"small\" text-anchor=\"middle\" x=\"{x}\" y=\"{}\">{}</text>",
                    bottom + 14,
                    text.replace('T', " ")
                ),
            );
            mark_s += step_s;
        }
        let (x, now) = (self.x(self.now_s), rfc3339(self.now_s));
        put(svg, format_args!("<line class=\"now\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\"/>", TOP - 12));
        let anchor = if x > WIDTH / 2 { "end" } else { "start" };
        put(
            svg,
            format_args!(
                "<text class=\"small\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"{}\">now, {now}</text>",
                bottom + 32
            ),
        );
    }

    fn row(&self, top: u64, key: &KeyLife, all: &[Stretch], until_s: Option<u64>, svg: &mut String) {
        put(svg, format_args!("<text x=\"16\" y=\"{}\">{} {}</text>", top + 15, key.role, key.tag));
        put(svg, format_args!("<text class=\"small\" x=\"16\" y=\"{}\">algorithm {}</text>", top + 30, key.algorithm));
        for stretch in all {
            let (from, state) = (self.x(stretch.from_s), stretch.state.as_str());
            let wide = self.x(stretch.to_s).saturating_sub(from).max(2);
            let times = format!("{} to {}", rfc3339(stretch.from_s), rfc3339(stretch.to_s));
            put(
                svg,
                format_args!(
                    "<rect class=\"{}\" x=\"{from}\" y=\"{top}\" width=\"{wide}\" height=\"{BAR}\" rx=\"3\"><title>{state}, {times}</title></rect>",
                    class(stretch.state)
                ),
            );
            if wide > (state.len() as u64 + 2) * LETTER {
                put(svg, format_args!("<text class=\"in\" x=\"{}\" y=\"{}\">{state}</text>", from + LETTER, top + 14));
            }
        }
        if let Some(until_s) = until_s {
            let (from, to) = (self.x(self.now_s), self.x(until_s));
            put(
                svg,
                format_args!(
                    "<rect class=\"wait\" x=\"{from}\" y=\"{top}\" width=\"{}\" height=\"{BAR}\" rx=\"3\"><title>waits until {}</title></rect>",
                    (to - from).max(2),
                    rfc3339(until_s)
                ),
            );
        }
    }
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    let _ = writeln!(svg, "{element}"); // a string takes everything
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::life::Actor;
    use crate::dnssec::{Algorithm, KeyId, KeyRole};

    const NOW_S: u64 = 1_800_000_000;

    fn key(tag: u16, state: State, published_s: Option<u64>, activated_s: Option<u64>) -> KeyLife {
        let id = KeyId { role: KeyRole::Zsk, algorithm: Algorithm::default(), tag };
        let since_s = activated_s.or(published_s).unwrap_or(NOW_S - DAY_S);
        KeyLife { state, since_s, published_s, activated_s, ..KeyLife::new(id, NOW_S - 40 * DAY_S) }
    }

    #[test]
    fn a_life_is_told_in_stretches_that_end_now() {
        let of = |key: &KeyLife| {
            let all = stretches(key, NOW_S);
            all.iter().map(|s| (s.state, s.from_s, s.to_s)).collect::<Vec<_>>()
        };
        let (published_s, active_s) = (NOW_S - 9 * DAY_S, NOW_S - 8 * DAY_S);
        let active = key(1, State::Active, Some(published_s), Some(active_s));
        assert_eq!(of(&active), [(State::Published, published_s, active_s), (State::Active, active_s, NOW_S)]);
        // Of a key from before there was a record only its state is known.
        let adopted = KeyLife { since_s: NOW_S - DAY_S, ..key(2, State::Active, None, None) };
        assert_eq!(of(&adopted), [(State::Active, NOW_S - 40 * DAY_S, NOW_S)]);
        let removed = KeyLife { removed_s: Some(NOW_S - DAY_S), state: State::Removed, ..active };
        assert_eq!(of(&removed).last(), Some(&(State::Active, active_s, NOW_S - DAY_S)));
    }

    #[test]
    fn everything_lies_on_the_page_and_names_cannot_break_it() {
        let old = key(7, State::Active, Some(NOW_S - 900 * DAY_S), Some(NOW_S - 899 * DAY_S));
        let new = key(8, State::Published, Some(NOW_S - HOUR_S), None);
        let wait =
            Wait { key: Some(new.id()), what: "caches".to_owned(), until_s: Some(NOW_S + HOUR_S), who: Actor::Nobody };
        let svg = timeline("<a>&\"", &[old, new], &[wait], NOW_S);
        assert!(svg.contains("&lt;a&gt;&amp;&quot;") && !svg.contains("<a>"));
        let numbers = |key: &str| -> Vec<u64> {
            let before = format!(" {key}=\"");
            svg.split(&*before).skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
        };
        assert!(numbers("x").iter().chain(&numbers("x1")).all(|x| (16..=WIDTH - RIGHT).contains(x)), "{svg}");
        assert!(numbers("x1").len() <= MARKS_MAX as usize + 2);
        assert!(svg.contains("waits until") && svg.matches("class=\"active\"").count() == 1);
        assert!(timeline("none", &[], &[], NOW_S).contains("now, "));
    }
}
