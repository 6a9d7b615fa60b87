<?php

declare(strict_types=1);

namespace Malote;

/**
 * Tries the usual mistakes, one at a time, and names the one that would have
 * matched. It never turns a failure into a success.
 *
 * @internal
 */
final class Explain
{
    public const SIZES = ['hmac-sha1' => 20, 'hmac-sha256' => 32, 'hmac-sha512' => 64, 'ed25519' => 64, 'sha256' => 32, 'token' => 32];
    private const NAMES = ['hex' => 'lower-case hex', 'base64' => 'base64', 'base64url' => 'base64url'];
    private const MAX_EXPLAINED = 2; // secrets that an explanation is searched for

    public function __construct(private readonly Check $check)
    {
    }

    /** @param array<string, mixed> $scheme */
    public static function spelling(array $scheme): string
    {
        $behind = ($scheme['prefix'] ?? '') === '' ? '' : " behind {$scheme['prefix']}";
        return self::SIZES[$scheme['algorithm']] . ' bytes in ' . (self::NAMES[$scheme['encoding'] ?? ''] ?? 'no encoding') . $behind;
    }

    /**
     * @param list<array<string, mixed>> $keys
     * @return list<array<string, mixed>> those that a mistake is worth searching for
     */
    private function macs(array $keys): array
    {
        $macs = array_filter($keys, fn (array $k): bool => isset($k['secret']) && $this->check->signature['schemes'][$k['scheme']]['algorithm'] !== 'token');
        return array_slice(array_values($macs), 0, self::MAX_EXPLAINED);
    }

    /**
     * @param list<array<string, mixed>> $keys
     * @param list<string> $secrets
     */
    public function explain(array $keys, #[\SensitiveParameter] array $secrets): Verdict
    {
        $c = $this->check;
        $v = $c->mismatch();
        if ($c->body === '') {
            return new Verdict(false, cause: $v->cause, detail: "the body is empty: was it read before it was verified? {$v->detail}");
        }
        $found = $this->spelledAs($this->macs($keys));
        if ($found !== '') {
            return Check::malformed("the signature is right, but written $found; this dialect writes " . self::spelling($c->signature['schemes'][$c->items[0][0]]));
        }
        if ($v->cause === 'malformed') {
            return $v;
        }
        foreach (self::bodies($c->body) as $change => $body) {
            if ($body === $c->body) {
                continue;
            }
            $c->readParts($body);
            foreach ($this->macs($keys) as $key) {
                if ($c->matches($key)) {
                    return new Verdict(false, cause: 'body_changed', detail: "the secret is right, but the body was changed on the way: $change");
                }
            }
        }
        $c->readParts($c->body);
        $how = $this->otherReading($secrets);
        return $how === '' ? $v : new Verdict(false, cause: 'wrong_secret', detail: $how);
    }

    /**
     * Looks for a right signature where none was recognised.
     *
     * @param list<array<string, mixed>> $keys
     */
    public function prefix(array $keys, Verdict $v): Verdict
    {
        $c = $this->check;
        if ($c->items !== [] || ($c->signature['separator'] ?? '') !== '') {
            return $v;
        }
        $c->items = [[0, $c->carrier]];
        if ($c->readTime() !== null || $c->readParts($c->body) !== null) {
            return $v;
        }
        $found = $this->spelledAs($this->macs($keys));
        return $found === '' ? $v : Check::malformed("the signature is right, but written $found and without what this dialect puts before it; it writes "
            . self::spelling($c->signature['schemes'][0]));
    }

    /**
     * Finds a right signature that is written in another way.
     *
     * @param list<array<string, mixed>> $keys
     */
    private function spelledAs(array $keys): string
    {
        foreach ($keys as $key) {
            $want = Dialect::mac($this->check->signature['schemes'][$key['scheme']]['algorithm'], $key['secret'], $this->check->parts);
            foreach ($this->check->items as [, $text]) {
                foreach (self::spellings($text) as $name => $raw) {
                    if (hash_equals($want, $raw)) {
                        return $name;
                    }
                }
            }
        }
        return '';
    }

    /**
     * Decodes a signature in every way that it may have been written.
     *
     * @return array<string, string>
     */
    private static function spellings(string $text): array
    {
        $behind = '';
        if (preg_match('/^[^=,:]{0,9}[=,:](?=.)/s', $text, $m)) {
            $behind = " behind {$m[0]}";
            $text = substr($text, strlen($m[0]));
        }
        $out = [];
        if (preg_match('/^([0-9a-fA-F]{2})+$/D', $text)) {
            $out[(strtolower($text) === $text ? 'in hex' : 'in hex with upper-case letters') . $behind] = (string) hex2bin($text);
        }
        $plain = rtrim($text, '=');
        foreach (['base64' => $plain, 'base64url' => strtr($plain, '-_', '+/')] as $name => $base64) {
            $raw = base64_decode($base64, true);
            if ($base64 !== '' && $raw !== false) {
                $out["in $name$behind"] = $raw;
            }
        }
        return $out;
    }

    /**
     * What may have been signed if a usual mistake changed the body since.
     *
     * @return array<string, string>
     */
    private static function bodies(string $raw): array
    {
        $out = [
            'a line end was added behind it' => rtrim($raw, "\r\n"),
            'the line end behind it was cut off' => "$raw\n",
            'a byte order mark was put before it' => str_starts_with($raw, "\xef\xbb\xbf") ? substr($raw, 3) : $raw,
            'its line ends were turned into CRLF' => str_replace("\r\n", "\n", $raw),
            'its line ends were turned into LF' => str_replace("\n", "\r\n", $raw),
        ];
        json_decode($raw, true, 1024);
        if (json_last_error() !== JSON_ERROR_NONE) {
            return $out;
        }
        $tokens = '/"(?:[^"\\\\]|\\\\.)*+"|[ \t\r\n]+/s';
        $compact = preg_replace_callback($tokens, static fn (array $m): string => $m[0][0] === '"' ? $m[0] : '', $raw);
        if ($compact === null) {
            return $out; // beyond what the regular expressions of this PHP may do
        }
        $parser = 'verify the raw bytes, before any JSON parser';
        $out["it was parsed and written again with other white space; $parser"] = $compact;
        $flags = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_LINE_TERMINATORS;
        $plain = preg_replace_callback($tokens, static fn (array $m): string => (string) json_encode(json_decode($m[0]), $flags), $compact);
        $out["it was parsed and written again with other escapes; $parser"] = (string) $plain;
        return $out;
    }

    /**
     * Finds the way in which the sender read the secret.
     *
     * @param list<string> $secrets
     */
    private function otherReading(#[\SensitiveParameter] array $secrets): string
    {
        foreach (array_slice($secrets, 0, self::MAX_EXPLAINED) as $secret) {
            foreach (self::readings((string) $secret) as [$how, $bytes]) {
                foreach ($this->check->signature['schemes'] as $i => $scheme) {
                    if (in_array($scheme['algorithm'], ['ed25519', 'token'], true) || !$this->check->matches(['scheme' => $i, 'secret' => $bytes])) {
                        continue;
                    }
                    return "the signature matches with the secret $how; in this dialect the key is " . self::reading($scheme['key']);
                }
            }
        }
        return '';
    }

    /** @param array<string, mixed> $rule */
    private static function reading(array $rule): string
    {
        if ($rule['decoding'] !== 'verbatim') {
            return "{$rule['decoding']} decoded behind " . ($rule['prefix'] ?? 'nothing');
        }
        return ($rule['prefix'] ?? '') === '' ? 'the whole text as it stands' : "the text behind {$rule['prefix']}";
    }

    /**
     * The keys that a secret may have been taken for.
     *
     * @return list<array{string, string}>
     */
    private static function readings(#[\SensitiveParameter] string $secret): array
    {
        $out = [['taken as it stands', $secret], ['and a line end behind it', "$secret\n"]];
        $i = strpos($secret, '_');
        $rest = $i === false ? $secret : substr($secret, $i + 1);
        if ($i !== false) {
            $out[] = ['without its prefix ' . substr($secret, 0, $i + 1), $rest];
        }
        foreach (['base64' => $rest, 'hex' => strtolower($rest)] as $encoding => $text) {
            $bytes = Dialect::decode($encoding, $text) ?? '';
            if ($bytes !== '') {
                $out[] = ["decoded from $encoding", $bytes];
            }
        }
        return $out;
    }
}
