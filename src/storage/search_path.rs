//! The schemas in which a server looks up table names.

use super::schema::quote;

/// Names of schemas in order of precedence; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchPath(Vec<String>);

impl SearchPath {
    /// One schema.
    pub fn of(name: String) -> Self {
        Self(vec![name])
    }

    /// Parses names separated by commas, as in an app's configuration. Case and spaces count. A name with a
    /// comma must be in double quotes, in which a quote is doubled.
    pub fn parse(text: &str) -> Option<Self> {
        read(text, str::to_owned)
    }

    /// Parses PostgreSQL's setting `search_path`: names without quotes are converted to lower case.
    pub fn parse_sql(text: &str) -> Option<Self> {
        read(text, str::to_ascii_lowercase)
    }

    /// As SQL.
    pub fn sql(&self) -> String {
        self.0.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

fn read(text: &str, fold: fn(&str) -> String) -> Option<SearchPath> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let name;
        (name, rest) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (name, behind) = read_quoted(quoted)?;
                (name, behind.trim_start())
            }
            None => {
                let (name, _) = rest.split_once(',').unwrap_or((rest, ""));
                (
                    Some(name)
                        .filter(|name| !name.contains('"'))
                        .map(|name| fold(name.trim_end()))?,
                    rest.get(name.len()..)?,
                )
            }
        };
        let is_whole = rest.is_empty() || rest.starts_with(',');
        if name.is_empty() || name.contains('\0') || !is_whole {
            return None;
        }
        names.push(name);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some(SearchPath(names)),
        }
    }
}

/// The text before the closing quote, and the text after it.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (before, behind) = rest.split_once('"')?;
        name.push_str(before);
        match behind.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_schemas_is_read_as_its_source_reads_it() {
        let rows = [
            // the text; names in an app's configuration; names in PostgreSQL; as SQL
            ("app", Some(vec!["app"]), Some(vec!["app"])),
            ("app,public", Some(vec!["app", "public"]), Some(vec!["app", "public"])),
            (" app , public ", Some(vec!["app", "public"]), Some(vec!["app", "public"])),
            ("App", Some(vec!["App"]), Some(vec!["app"])),
            ("\"App\"", Some(vec!["App"]), Some(vec!["App"])),
            ("my app", Some(vec!["my app"]), Some(vec!["my app"])),
            (
                "\"my, app\",public",
                Some(vec!["my, app", "public"]),
                Some(vec!["my, app", "public"]),
            ),
            ("\"a\"\"b\"", Some(vec!["a\"b"]), Some(vec!["a\"b"])),
            ("$user,public", Some(vec!["$user", "public"]), Some(vec!["$user", "public"])),
            (
                "a; DROP TABLE credit; --",
                Some(vec!["a; DROP TABLE credit; --"]),
                Some(vec!["a; drop table credit; --"]),
            ),
            ("a'b", Some(vec!["a'b"]), Some(vec!["a'b"])),
            ("a\"b", None, None),
            ("a\"; DROP TABLE credit; --", None, None),
            ("\"a\" b", None, None),
            ("\"a", None, None),
            ("\"", None, None),
            ("\"\"", None, None),
            ("a,", None, None),
            (",a", None, None),
            ("a,,b", None, None),
            (" ", None, None),
            ("", None, None),
            ("a\0b", None, None),
        ];
        for (text, app, sql) in rows {
            let names = |path: Option<SearchPath>| path.map(|path| path.names().to_vec());
            let expected = |names: Option<Vec<&str>>| {
                names.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>())
            };
            assert_eq!(names(SearchPath::parse(text)), expected(app), "{text}");
            assert_eq!(names(SearchPath::parse_sql(text)), expected(sql), "{text}");
        }
    }

    #[test]
    fn any_name_is_quoted_in_sql() {
        let rows = [
            ("app,Public", r#""app", "Public""#),
            (r#""a""b",c"#, r#""a""b", "c""#),
            ("x; SELECT '1'", r#""x; SELECT '1'""#),
        ];
        for (text, sql) in rows {
            assert_eq!(SearchPath::parse(text).map(|path| path.sql()).as_deref(), Some(sql));
        }
    }
}
