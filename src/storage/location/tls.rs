//! Encryption: the TLS parameters of libpq and postgres.js.

use super::encoding::invalid;
use super::parameters::Said;
use crate::error::Result;

/// The encryption of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tls {
    /// The mode.
    pub mode: SslMode,
    /// The trusted certificates; `None` means the system's.
    pub roots: Option<Roots>,
    /// The files with the client's certificate and its key.
    pub certificate: Option<(String, String)>,
    /// Whether TLS starts at once, without a request to the server.
    pub is_direct: bool,
    /// Whether the host name is sent to the server (SNI).
    pub names_host: bool,
    /// The accepted versions of TLS.
    pub versions: Versions,
    /// Whether the login must be bound to the TLS connection.
    pub channel_binding: ChannelBinding,
}

/// Trusted certificates, in the format PEM.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Roots {
    /// A file.
    File(String),
    /// The text itself.
    Text(String),
}

/// `sslmode`, as libpq defines it. Safer modes are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SslMode {
    /// No encryption.
    Disable,
    /// Encryption if the server supports it.
    Prefer,
    /// Encryption is required.
    Require,
    /// A certificate signed by a trusted authority is required too.
    VerifyCa,
    /// The certificate must also name the host.
    VerifyFull,
}

/// The accepted versions of TLS. Older ones are not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Versions {
    /// 1.2 and 1.3.
    Both,
    /// Only 1.2.
    Tls12,
    /// Only 1.3.
    Tls13,
}

/// `channel_binding`, as libpq defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelBinding {
    /// Not bound.
    Disable,
    /// Bound if the server supports it.
    Prefer,
    /// Binding is required.
    Require,
}

impl Tls {
    pub(super) fn read(said: &Said) -> Result<Self> {
        let roots = said.text("sslrootcert").map(str::to_owned);
        let tls = Self {
            mode: mode(said)?,
            roots: roots.filter(|roots| roots != SYSTEM).map(Roots::File),
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

    /// The trusted certificates as they were written in the URL.
    #[cfg(test)]
    pub fn written_roots(&self) -> Option<&str> {
        let (Roots::File(written) | Roots::Text(written)) = self.roots.as_ref()?;
        Some(written)
    }
}

/// Stands for the certificates that the system trusts.
const SYSTEM: &str = "system";

/// The mode of encryption, from both clients' parameters. If they differ, the safer one counts.
fn mode(said: &Said) -> Result<SslMode> {
    let mode = match (said.get("sslmode"), said.get("ssl")) {
        (Some(mode), _) => Some(SslMode::parse(mode)?),
        (None, Some(ssl)) => Some(SslMode::parse_ssl(ssl)?),
        (None, None) => None,
    };
    let roots = said.text("sslrootcert");
    Ok(match (mode, roots) {
        // postgres.js then always verifies the host, and libpq rejects any other mode.
        (_, Some(SYSTEM)) if said.is_of_url("sslrootcert") || mode.is_none() => SslMode::VerifyFull,
        // The operator names an authority in order to have it checked.
        (None, Some(_)) if said.is_of_url("sslrootcert") => SslMode::VerifyCa,
        // Without a host name, the check is useless: public authorities sign certificates for any host.
        // postgres.js checks the name too.
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

    /// `ssl`, as postgres.js defines it.
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

/// The files with the client's certificate and its key: both or none.
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
