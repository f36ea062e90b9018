//! What a changed configuration changes beside the proxies.
//!
//! Owns the comparison, in the words of the file. Does not act on it. Always true: two configurations that run alike are
//! the same to it, however they are written. Worst case: the names of the keys.

use super::Config;

impl Config {
    /// The keys above the proxies that mean something else in `other`, as they are written; what follows a changed
    /// `log.level` at once is not among them.
    pub fn differs(&self, other: &Self) -> Vec<&'static str> {
        let log = |config: &Self| (config.log.file.clone(), config.log.max_days, config.log.color);
        let all = [
            ("serverAddr", self.server_host != other.server_host),
            ("serverPort", self.server_port != other.server_port),
            ("user", self.user != other.user),
            ("clientID", self.client_id != other.client_id),
            ("metadatas", self.metas != other.metas),
            ("dnsServer", self.dns_server != other.dns_server),
            ("auth", self.auth != other.auth),
            ("log", log(self) != log(other)),
            ("webServer", self.web_server != other.web_server),
            ("store", self.store_path != other.store_path),
            ("transport", self.transport != other.transport),
            ("natHoleStunServer", self.stun_server != other.stun_server),
            ("udpPacketSize", self.udp_packet_size != other.udp_packet_size),
            ("redial", self.extension != other.extension),
        ];
        all.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn changes_are_told_in_the_words_of_the_file() {
        let config = |lines: &str| {
            let text = format!(
                "transport.tls.enable = false\n{lines}\n[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 80"
            );
            parse("frpc.toml", &text).unwrap().config
        };
        let same = config("serverPort = 7000\ntransport.poolCount = 1\nlog.level = \"debug\"");
        assert!(config("").differs(&same).is_empty());
        let other = config("serverAddr = \"a\"\nauth.token = \"t\"\nredial.detect = \"fast\"\nlog.maxDays = 9");
        assert_eq!(config("").differs(&other), ["serverAddr", "auth", "log", "redial"]);
    }
}
