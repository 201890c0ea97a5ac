//! The prose of the charter, clause by clause.

/// `charter/charter.md` as shipped (Markdown).
pub const TEXT: &str = include_str!("../../charter/charter.md");
/// The shipped charter/policy.toml: the same articles as parameters.
pub const POLICY_TEXT: &str = include_str!("../../charter/policy.toml");

/// The clauses of [`TEXT`] in their order: number (`"4.1"`) and text on one line.
pub fn clauses() -> impl Iterator<Item = (&'static str, String)> {
    clauses_of(TEXT)
}

/// The clauses of a charter's text likewise.
pub fn clauses_of(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.split("\n\n").filter_map(|paragraph| {
        let (number, text) = paragraph.trim().strip_prefix("**")?.split_once("** ")?;
        Some((number, text.split_whitespace().collect::<Vec<_>>().join(" ")))
    })
}

/// The text of the clause with that number.
pub fn clause(number: &str) -> Option<String> {
    clauses().find(|(n, _)| *n == number).map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::PARAMETERS;

    #[test]
    fn clauses_are_numbered_without_gaps_under_their_article() {
        let (mut article, mut next) = (0, 1);
        for paragraph in TEXT.split("\n\n") {
            if let Some(heading) = paragraph.strip_prefix("## Article ") {
                article += 1;
                next = 1;
                assert!(heading.starts_with(&format!("{article}. ")), "{heading}");
            } else if paragraph.starts_with("**") {
                assert!(paragraph.starts_with(&format!("**{article}.{next}** ")), "{paragraph}");
                next += 1;
            }
        }
        assert_eq!(article, 11);
        assert!(clauses().count() > 40);
    }

    #[test]
    fn each_parameter_stands_in_its_clause() {
        for parameter in PARAMETERS {
            let text = clause(parameter.article).unwrap_or_else(|| panic!("no clause {}", parameter.article));
            assert!(
                text.contains(&format!("`{}`", parameter.name)),
                "clause {} does not name {}",
                parameter.article,
                parameter.name
            );
        }
    }
}
