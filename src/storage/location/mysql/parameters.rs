//! Every parameter that MySQL's clients read from a URL, and how it is handled here.
//!
//! The app connects with mysql2, operators with MySQL's own clients; Prisma, Rails and Java also use URLs. A
//! parameter about the server, the login or the security of the connection is never ignored.

use super::super::parameters::Support::{self, Ignored, Obeyed, Only, Refused, Same};

const BEFORE: &str = "write it before the ?, where mysql2 reads it";
const ROOTS: &str = "write ssl-ca, a PEM file";
const FILES: &str = "write ssl-cert and ssl-key, two PEM files";
const NO_LIST: &str = "leave it out: revocation lists are not read";
const VERSIONS: &str = "leave it out: TLS 1.2 and 1.3 are supported";
const ONE_PASSWORD: &str = "the server may ask for one password";
const TRUE: &[&str] = &["true", "1"];

/// Names in lower case, without - and _: `ssl-mode`, `ssl_mode` and `sslMode` are the same. Other names are
/// rejected.
pub(super) const PARAMETERS: &[(&str, Support)] = &[
    // Server
    ("socketpath", Obeyed),
    ("socket", Same("socketpath")),
    ("unixsocket", Same("socketpath")),
    ("host", Refused(BEFORE)),
    ("port", Refused(BEFORE)),
    ("database", Refused(BEFORE)),
    ("dbname", Refused(BEFORE)),
    ("localaddress", Refused("leave it out: the system says where from")),
    // Login
    ("user", Refused(BEFORE)),
    ("username", Refused(BEFORE)),
    ("password", Refused(BEFORE)),
    ("password1", Refused(BEFORE)),
    ("password2", Refused(ONE_PASSWORD)),
    ("password3", Refused(ONE_PASSWORD)),
    ("passwordsha1", Refused(BEFORE)),
    // The server selects the method; the insecure ones of old servers are never used.
    ("authmethod", Ignored),
    ("defaultauth", Ignored),
    ("insecureauth", Ignored),
    ("enablecleartextplugin", Obeyed),
    ("allowpublickeyretrieval", Only(TRUE, "write ssl-mode=REQUIRED, with which it is not done")),
    ("getserverpublickey", Same("allowpublickeyretrieval")),
    ("serverpublickeypath", Refused("write ssl-mode=VERIFY_IDENTITY")),
    ("serverrsapublickeyfile", Same("serverpublickeypath")),
    // Encryption
    ("ssl", Obeyed),
    ("sslmode", Obeyed),
    ("usessl", Obeyed),
    ("requiressl", Obeyed),
    ("verifyservercertificate", Obeyed),
    ("sslverifycert", Same("verifyservercertificate")),
    ("sslverifyidentity", Obeyed),
    ("ssldisabled", Obeyed),
    ("sslaccept", Obeyed),
    ("sslca", Obeyed),
    ("sslcert", Obeyed),
    ("sslkey", Obeyed),
    ("serversslcert", Refused(ROOTS)),
    ("sslcapath", Refused(ROOTS)),
    ("trustcertificatekeystoreurl", Refused(ROOTS)),
    ("truststore", Refused(ROOTS)),
    ("clientcertificatekeystoreurl", Refused(FILES)),
    ("keystore", Refused(FILES)),
    ("sslidentity", Refused(FILES)),
    ("sslpassword", Refused("decrypt the key, and name that file as ssl-key")),
    ("sslcrl", Refused(NO_LIST)),
    ("sslcrlpath", Refused(NO_LIST)),
    ("sslcipher", Refused(VERSIONS)),
    ("tlsciphersuites", Refused(VERSIONS)),
    ("tlsversions", Only(&["TLSv1.2", "TLSv1.2,TLSv1.3", "[TLSv1.2,TLSv1.3]"], VERSIONS)),
    ("tlsversion", Same("tlsversions")),
    ("enabledtlsprotocols", Same("tlsversions")),
    ("enabledsslprotocolsuites", Same("tlsversions")),
    ("tls", Refused("write ssl-mode")),
    // Timeouts
    ("connecttimeout", Obeyed),
    ("connecttimeoutseconds", Obeyed),
    // Each session sets its own character set. It keeps the server's time zone, because the app's driver
    // writes times as text, which must be read in the same zone.
    ("charset", Ignored),
    ("charsetnumber", Ignored),
    ("collation", Ignored),
    ("encoding", Ignored),
    ("characterencoding", Ignored),
    ("connectioncollation", Ignored),
    ("useunicode", Ignored),
    ("timezone", Ignored),
    ("servertimezone", Ignored),
    ("connectiontimezone", Ignored),
    ("loc", Ignored),
    // mysql2's own behaviour
    ("bignumberstrings", Ignored),
    ("compress", Ignored),
    ("connectattributes", Ignored),
    ("connectionlimit", Ignored),
    ("datestrings", Ignored),
    ("debug", Ignored),
    ("decimalnumbers", Ignored),
    ("disableeval", Ignored),
    ("enablekeepalive", Ignored),
    ("flags", Ignored),
    ("gracefulend", Ignored),
    ("idletimeout", Ignored),
    ("jsonstrings", Ignored),
    ("keepaliveinitialdelay", Ignored),
    ("maxidle", Ignored),
    ("maxpreparedstatements", Ignored),
    ("multiplestatements", Ignored),
    ("namedplaceholders", Ignored),
    ("nesttables", Ignored),
    ("pool", Ignored),
    ("queuelimit", Ignored),
    ("resetonrelease", Ignored),
    ("rowsasarray", Ignored),
    ("stringifyobjects", Ignored),
    ("supportbignumbers", Ignored),
    ("trace", Ignored),
    ("typecast", Ignored),
    ("waitforconnections", Ignored),
    // Parameters of Prisma, Rails, Python, Java and Go
    ("acquiretimeout", Ignored),
    ("autoreconnect", Ignored),
    ("compression", Ignored),
    ("parsetime", Ignored),
    ("pooltimeout", Ignored),
    ("preparedstatements", Ignored),
    ("readtimeout", Ignored),
    ("reconnect", Ignored),
    ("sockettimeout", Ignored),
    ("statementcachesize", Ignored),
    ("strict", Ignored),
    ("timeout", Ignored),
    ("useaffectedrows", Ignored),
    ("writetimeout", Ignored),
];
