//! The security of a connection: the parameters of libpq and postgres.js about TLS.

use super::encoding::invalid;
use super::parameters::Said;
use crate::error::Result;

/// How the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tls {
    /// How much of it must be.
    pub mode: SslMode,
    /// The file with the certificates to trust; without one the system's.
    pub roots: Option<String>,
    /// The files of the client's own certificate and of its key.
    pub certificate: Option<(String, String)>,
    /// Whether encryption begins at once, without asking the server.
    pub is_direct: bool,
    /// Whether the server is told by which name it was found.
    pub names_host: bool,
    /// The versions of TLS that will do.
    pub versions: Versions,
    /// Whether the login must be bound to the encryption.
    pub channel_binding: ChannelBinding,
}

/// `sslmode`, as libpq means it. The safer one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SslMode {
    /// No encryption.
    Disable,
    /// Encryption if the server offers it.
    Prefer,
    /// Encryption.
    Require,
    /// And a certificate that a trusted authority has signed.
    VerifyCa,
    /// And it names the host.
    VerifyFull,
}

/// The versions of TLS that will do. Older ones are not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Versions {
    /// 1.2 and 1.3.
    Both,
    /// 1.2 alone.
    Tls12,
    /// 1.3 alone.
    Tls13,
}

/// `channel_binding`, as libpq means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelBinding {
    /// It is not.
    Disable,
    /// It is, where the server can.
    Prefer,
    /// It is, or there is no login.
    Require,
}

impl Tls {
    pub(super) fn read(said: &Said) -> Result<Self> {
        let roots = said.text("sslrootcert").map(str::to_owned);
        let tls = Self {
            mode: mode(said)?,
            roots: roots.filter(|roots| roots != SYSTEM),
            certificate: certificate(said)?,
            is_direct: match said.get("sslnegotiation") {
                None | Some("postgres") => false,
                Some("direct") => true,
                Some(_) => return Err(invalid("sslnegotiation must be postgres or direct")),
            },
            names_host: match said.get("sslsni") {
                None | Some("1") => true,
                Some("0") => false,
                Some(_) => return Err(invalid("sslsni must be 0 or 1")),
            },
            versions: versions(said)?,
            channel_binding: match said.get("channel_binding") {
                None | Some("prefer") => ChannelBinding::Prefer,
                Some("require") => ChannelBinding::Require,
                Some("disable") => ChannelBinding::Disable,
                Some(_) => {
                    return Err(invalid("channel_binding must be disable, prefer or require"));
                }
            },
        };
        if tls.is_direct && matches!(tls.mode, SslMode::Disable | SslMode::Prefer) {
            return Err(invalid("sslnegotiation=direct needs encryption; add sslmode=require"));
        }
        Ok(tls)
    }
}

/// What stands for the certificates that the system trusts.
const SYSTEM: &str = "system";

/// Both clients' words for one thing. What they understand differently is taken for the safer of the two.
fn mode(said: &Said) -> Result<SslMode> {
    let mode = match (said.get("sslmode"), said.get("ssl")) {
        (Some(mode), _) => Some(SslMode::parse(mode)?),
        (None, Some(ssl)) => Some(SslMode::parse_ssl(ssl)?),
        (None, None) => None,
    };
    let roots = said.text("sslrootcert");
    Ok(match (mode, roots) {
        // To postgres.js it says so whatever the mode, and libpq refuses any other mode.
        (_, Some(SYSTEM)) if said.is_of_url("sslrootcert") || mode.is_none() => SslMode::VerifyFull,
        // An authority of the operator's own is named to be asked.
        (None, Some(_)) if said.is_of_url("sslrootcert") => SslMode::VerifyCa,
        // Any public authority would sign for some host: postgres.js asks for the name too.
        (Some(SslMode::VerifyCa), None | Some(SYSTEM)) => SslMode::VerifyFull,
        (Some(SslMode::Require), Some(_)) => SslMode::VerifyCa,
        (Some(mode), _) => mode,
        (None, _) => SslMode::Prefer,
    })
}

impl SslMode {
    fn parse(mode: &str) -> Result<Self> {
        match mode {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err(invalid(
                "sslmode must be disable, allow, prefer, require, verify-ca or verify-full",
            )),
        }
    }

    /// `ssl`, as postgres.js means it.
    fn parse_ssl(ssl: &str) -> Result<Self> {
        match ssl {
            "disable" | "false" => Ok(Self::Disable),
            "prefer" => Ok(Self::Prefer),
            "require" | "allow" => Ok(Self::Require),
            "true" | "verify-ca" | "verify-full" => Ok(Self::VerifyFull),
            _ => Err(invalid("ssl must be true, false, prefer, require or verify-full")),
        }
    }
}

fn certificate(said: &Said) -> Result<Option<(String, String)>> {
    match said.get("sslcertmode") {
        None | Some("allow") => {}
        Some("disable") => return Ok(None),
        Some("require") => {
            return Err(invalid(
                "sslcertmode=require is not supported; the server itself can ask for one",
            ));
        }
        Some(_) => return Err(invalid("sslcertmode must be disable or allow")),
    }
    certificate_and_key(said)
}

/// The files of the client's own certificate and of its key: both or none.
pub(super) fn certificate_and_key(said: &Said) -> Result<Option<(String, String)>> {
    match (said.text("sslcert"), said.text("sslkey")) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.to_owned(), key.to_owned()))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid("sslcert needs sslkey, the file of its key")),
        (None, Some(_)) => Err(invalid("sslkey needs sslcert, the file of its certificate")),
    }
}

fn versions(said: &Said) -> Result<Versions> {
    const NAMES: [&str; 4] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
    let at = |name, default| match said.get(name) {
        None => Ok(default),
        Some(version) => NAMES
            .iter()
            .position(|known| known.eq_ignore_ascii_case(version))
            .ok_or_else(|| invalid(&format!("{name} must be TLSv1.2 or TLSv1.3"))),
    };
    match (at("ssl_min_protocol_version", 2)?, at("ssl_max_protocol_version", 3)?) {
        (0..=2, 3) => Ok(Versions::Both),
        (0..=2, 2) => Ok(Versions::Tls12),
        (3, 3) => Ok(Versions::Tls13),
        _ => Err(invalid(
            "the supported versions of TLS are 1.2 and 1.3; ssl_min_protocol_version and \
                          ssl_max_protocol_version leave none of them",
        )),
    }
}
