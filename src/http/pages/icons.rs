//! Small pictures beside words; they say nothing that the words do not.

use maud::{Markup, PreEscaped, html};

/// Which picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Icon {
    /// A book of numbers: the mark of the directory.
    Mark,
    /// A day.
    Today,
    /// Two people.
    Hands,
    /// A telephone number.
    Number,
    /// An organisation.
    Provider,
    /// Words of somebody who is not content.
    Complaint,
    /// A tree of hashes.
    Log,
    /// A key.
    Key,
    /// An open book: the charter.
    Charter,
    /// A gauge.
    System,
    /// A list with ticks.
    Audit,
    /// A person.
    Person,
    /// Good.
    Tick,
    /// Look here.
    Warning,
    /// A word to know.
    Info,
    /// A glass.
    Search,
    /// A way out.
    Leave,
}

/// The picture of that name, hidden from those who listen.
pub(crate) fn icon(which: Icon) -> Markup {
    html! { svg.icon viewBox="0 0 24 24" aria-hidden="true" focusable="false" { (PreEscaped(shape(which))) } }
}

const fn shape(which: Icon) -> &'static str {
    match which {
        Icon::Mark => r#"<path d="M5 4a2 2 0 0 1 2-2h12v20H7a2 2 0 0 1-2-2zM5 18h14M10 7h5M10 11h5"/>"#,
        Icon::Today => r#"<path d="M4 6h16v14H4zM4 10h16M8 3v4M16 3v4"/><path d="m9 15 2 2 4-4"/>"#,
        Icon::Hands => {
            r#"<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c.6-4 3-6 6.500-6s5.900 2 6.500 6M16 5a3.500 3.500 0 0 1 0 6.500M18 14.500c2 .8 3.200 2.600 3.500 5.500"/>"#
        }
        Icon::Number => r#"<path d="M9 3 7 21M17 3l-2 18M4 9h17M3 15h17"/>"#,
        Icon::Provider => r#"<path d="M4 21V5l8-3v19M12 9h8v12M2 21h20M7 8h2M7 12h2M7 16h2M15 13h2M15 17h2"/>"#,
        Icon::Complaint => r#"<path d="M4 4h16v12H11l-5 5v-5H4zM12 7v4M12 13.500v.1"/>"#,
        Icon::Log => {
            r#"<circle cx="12" cy="5" r="2.500"/><circle cx="6" cy="19" r="2.500"/><circle cx="18" cy="19" r="2.500"/><path d="m11 7.500-4 9M13 7.500l4 9"/>"#
        }
        Icon::Key => r#"<circle cx="8" cy="15" r="4.500"/><path d="M11.500 12 20 3.500M16 7.500l3 3M13.500 10l2 2"/>"#,
        Icon::Charter => {
            r#"<path d="M12 6c-2-2-5-2.500-9-2.500V19c4 0 7 .5 9 2.500 2-2 5-2.500 9-2.500V3.500c-4 0-7 .5-9 2.500zM12 6v15"/>"#
        }
        Icon::System => r#"<path d="M3 17a9 9 0 1 1 18 0M12 17l4-6M3 17h2M19 17h2M12 8v1"/>"#,
        Icon::Audit => {
            r#"<path d="M6 3h12v18H6zM13 8h2M13 12h2M13 16h2M9 8l.7.7L11 7.300M9 12l.7.7 1.300-1.400M9 16l.7.7 1.300-1.400"/>"#
        }
        Icon::Person => r#"<circle cx="12" cy="8" r="4"/><path d="M4 21c.8-4.500 3.500-7 8-7s7.200 2.500 8 7"/>"#,
        Icon::Tick => r#"<circle cx="12" cy="12" r="9"/><path d="m8 12 3 3 5-6"/>"#,
        Icon::Warning => r#"<path d="M12 3 2 20h20zM12 9v5M12 17v.1"/>"#,
        Icon::Info => r#"<circle cx="12" cy="12" r="9"/><path d="M12 11v6M12 7.500v.1"/>"#,
        Icon::Search => r#"<circle cx="10.500" cy="10.500" r="6.500"/><path d="m15.500 15.500 5.500 5.500"/>"#,
        Icon::Leave => r#"<path d="M14 4H5v16h9M10 12h11M17 8l4 4-4 4"/>"#,
    }
}
