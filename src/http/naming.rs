//! What every operation of the OpenAPI document needs and no handler says: a name of its own, and words for each status.
//!
//! Programs that make clients from the document name functions by it; two operations of one name would be one function.

use utoipa::openapi::{OpenApi, RefOr};

/// Names each operation by method and path, and puts a status into words where nothing else does (OpenAPI 3.1, 4.8.17).
pub(super) fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let methods = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in methods {
            let Some(operation) = operation else { continue };
            operation.operation_id = Some(name(method, path));
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    response.description = in_words(status).to_owned();
                }
            }
        }
    }
}

/// `POST /v1/providers/{id}/tokens` is `post_provider_tokens`: what a parameter picks one of is singular, and the parameter
/// says no more.
fn name(method: &str, path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches("/v1").split('/').filter(|part| !part.is_empty()).collect();
    let mut name = method.to_owned();
    for (i, part) in parts.iter().enumerate().filter(|(_, part)| !part.starts_with('{')) {
        let picked = parts.get(i + 1).is_some_and(|next| next.starts_with('{'));
        name.push('_');
        name.push_str(&if picked { singular(part) } else { part }.replace(['-', '.'], "_"));
    }
    name
}

fn singular(word: &str) -> &str {
    let without = word.strip_suffix("es").filter(|word| word.ends_with("ch"));
    without.or_else(|| word.strip_suffix('s')).unwrap_or(word)
}

fn in_words(status: &str) -> &'static str {
    match status {
        "200" => "Done, or found",
        "201" => "Made",
        "202" => "Taken in, and durable",
        "204" => "Done; there is nothing to say",
        "503" => "Not now",
        "5XX" => "The directory cannot do it now, or has met a fault of its own",
        _ => "The request was refused; the problem says why",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_by_what_they_are_about() {
        for (method, path, wanted) in [
            ("get", "/v1/numbers", "get_numbers"),
            ("get", "/v1/numbers/{number}", "get_number"),
            ("post", "/v1/numbers/{number}/transfer/objection", "post_number_transfer_objection"),
            ("post", "/v1/numbers/{number}/transfer-code", "post_number_transfer_code"),
            ("get", "/v1/batches/{id}/results", "get_batch_results"),
            ("get", "/v1/lost-keys/{id}/numbers", "get_lost_key_numbers"),
            ("get", "/v1/providers/{id}/tokens", "get_provider_tokens"),
            ("get", "/healthz", "get_healthz"),
        ] {
            assert_eq!(name(method, path), wanted);
        }
    }
}
