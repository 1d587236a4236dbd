//! Refusals that many operations have in common stand once, among the components.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const PROBLEM: &str = "/content/application~1problem+json/schema/properties/type/enum";

/// Takes the most frequent refusal of each kind out of the operations.
pub(super) fn responses(paths: &mut Map<String, Value>) -> BTreeMap<String, Value> {
    let mut found: BTreeMap<String, Vec<(usize, Value)>> = BTreeMap::new();
    each(paths, &mut |name, response| {
        let of_name = found.entry(name.to_owned()).or_default();
        match of_name.iter_mut().find(|(_, known)| *known == *response) {
            Some((count, _)) => *count += 1,
            None => of_name.push((1, response.clone())),
        }
    });
    let frequent: BTreeMap<String, Value> = found
        .into_iter()
        .filter_map(|(name, mut of_name)| {
            of_name.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
            let (count, response) = of_name.swap_remove(0);
            (count > 1).then_some((name, response))
        })
        .collect();
    each(paths, &mut |name, response| {
        if frequent.get(name) == Some(&*response) {
            *response = json!({"$ref": format!("#/components/responses/{name}")});
        }
    });
    frequent
}

/// Visits the refusals of all operations with names that are made of their problems.
fn each(paths: &mut Map<String, Value>, visit: &mut impl FnMut(&str, &mut Value)) {
    let operations = paths
        .values_mut()
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut);
    for operation in operations {
        let responses = operation["responses"].as_object_mut();
        for response in responses.into_iter().flat_map(Map::values_mut) {
            let types = response.pointer(PROBLEM).and_then(Value::as_array);
            let Some(types) = types else {
                continue;
            };
            let names = types
                .iter()
                .filter_map(|it| it.as_str()?.rsplit(':').next());
            let name = names.collect::<Vec<_>>().join("-or-");
            visit(&name, response);
        }
    }
}
