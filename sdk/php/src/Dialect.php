<?php

declare(strict_types=1);

namespace Malote;

/** A dialect, as its JSON file says it, read into what verifying needs. @internal */
final class Dialect
{
    private const HASHES = ['hmac-sha256' => 'sha256', 'hmac-sha512' => 'sha512', 'hmac-sha1' => 'sha1'];
    private const UNITS = ['ns' => 1e-9, 'us' => 1e-6, 'µs' => 1e-6, 'ms' => 1e-3, 's' => 1.0, 'm' => 60.0, 'h' => 3600.0];

    /** @var list<array<string, mixed>>|null */
    private static ?array $builtin = null;

    /** @return list<array<string, mixed>> */
    public static function builtin(): array
    {
        return self::$builtin ??= json_decode((string) file_get_contents(__DIR__ . '/dialects.json'), true, 64, JSON_THROW_ON_ERROR);
    }

    /**
     * The built-in dialect of a name, or the decoded file that was given.
     *
     * @param string|array<string, mixed> $of
     * @return array<string, mixed>
     */
    public static function find(string|array $of): array
    {
        if (is_array($of)) {
            if (!isset($of['signature'])) {
                throw new \InvalidArgumentException('malote: this is not a dialect file: it has no signature');
            }
            return $of;
        }
        [$name, $revision] = [...explode('/', $of, 2), null];
        $found = null;
        foreach (self::builtin() as $d) {
            if ($d['name'] === $name && ($revision === null || $revision === (string) $d['revision'])) {
                $found = $d;
            }
        }
        if ($found === null) {
            $names = implode(', ', array_column(self::builtin(), 'name'));
            throw new \InvalidArgumentException("malote: no dialect $of; there are $names, or give your own file, decoded");
        }
        return $found;
    }

    /** Seconds of a duration such as "1m30s". */
    public static function seconds(string $duration): float
    {
        preg_match_all('/([\d.]+)(ns|us|µs|ms|s|m|h)/', $duration, $m, PREG_SET_ORDER);
        return array_sum(array_map(static fn (array $p): float => (float) $p[1] * self::UNITS[$p[2]], $m));
    }

    /**
     * Splits "text {hole} text" into [null, literal] and [hole, ""]; "{{" is a brace.
     *
     * @return list<array{?string, string}>
     */
    public static function template(string $text): array
    {
        preg_match_all('/(\{\{)|\{([^}]*)\}|([^{]+)/', $text, $m, PREG_SET_ORDER);
        return array_map(static fn (array $p): array => match (true) {
            $p[1] !== '' => [null, '{'],
            $p[2] !== '' => [$p[2], ''],
            default => [null, $p[3]],
        }, $m);
    }

    /**
     * The holes that are whole values, as [path, name, format].
     *
     * @param list<string> $path
     * @return list<array{list<string>, string, string}>
     */
    public static function holes(mixed $shape, array $path = []): array
    {
        if (is_string($shape)) {
            return preg_match('/^\{([a-z_]+)(?::([a-z0-9_]+))?\}$/D', $shape, $m) ? [[$path, $m[1], $m[2] ?? '']] : [];
        }
        if (!is_array($shape) || array_is_list($shape)) {
            return [];
        }
        $all = [];
        foreach ($shape as $key => $value) {
            array_push($all, ...self::holes($value, [...$path, (string) $key]));
        }
        return $all;
    }

    public static function encode(string $encoding, string $bytes): string
    {
        return match ($encoding) {
            'hex' => bin2hex($bytes),
            'base64' => base64_encode($bytes),
            'base64url' => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '='),
            default => $bytes,
        };
    }

    /** Decodes what encode writes, and nothing else; null where it is not that. */
    public static function decode(string $encoding, string $text): ?string
    {
        $bytes = match ($encoding) {
            'hex' => preg_match('/^([0-9a-f]{2})*$/D', $text) ? (string) hex2bin($text) : false,
            'base64' => base64_decode($text, true),
            'base64url' => base64_decode(strtr($text, '-_', '+/'), true),
            default => $text,
        };
        return $bytes !== false && self::encode($encoding, $bytes) === $text ? $bytes : null;
    }

    /**
     * Makes a key of a secret: ["scheme" => its index, "secret" or "public" => bytes], or says why not.
     *
     * @param array<string, mixed> $d
     * @return array<string, mixed>|string
     */
    public static function key(array $d, #[\SensitiveParameter] string $secret): array|string
    {
        if ($secret === '') {
            return 'is empty';
        }
        if (!preg_match('//u', $secret) || preg_match('/[\x{00}-\x{1f}\x{7f}-\x{9f}]/u', $secret)) {
            return 'has control characters or is not UTF-8';
        }
        if (preg_match('/^\s|\s$/Du', $secret)) {
            return 'begins or ends with white space';
        }
        $prefixes = [];
        foreach ($d['signature']['schemes'] as $i => $scheme) {
            $rule = $scheme['key'];
            $public = $rule['public_prefix'] ?? '';
            if ($public !== '' && str_starts_with($secret, $public)) {
                $bytes = self::decode($rule['decoding'], substr($secret, strlen($public)));
                if ($bytes === null || strlen($bytes) !== 32) {
                    return 'is not a public key of 32 bytes';
                }
                return self::sodium() ?? ['scheme' => $i, 'public' => $bytes];
            }
            $prefix = $rule['prefix'] ?? '';
            if (str_starts_with($secret, $prefix)) {
                return self::schemeKey($scheme, $i, substr($secret, strlen($prefix)));
            }
            $prefixes[] = $prefix;
        }
        return 'does not begin with ' . implode(' or ', $prefixes);
    }

    private static function sodium(): ?string
    {
        return function_exists('sodium_crypto_sign_verify_detached') ? null : 'needs the PHP extension sodium';
    }

    /** @return array<string, mixed>|string */
    private static function schemeKey(array $scheme, int $i, #[\SensitiveParameter] string $text): array|string
    {
        $rule = $scheme['key'];
        // Libraries are lax about the last bits of base64; a secret that they take is taken here.
        $lax = $rule['decoding'] === 'base64' && strlen($text) % 4 === 0 && preg_match('~^[A-Za-z0-9+/]*={0,2}$~D', $text);
        $bytes = $lax ? (string) base64_decode($text, true) : self::decode($rule['decoding'], $text);
        if ($bytes === null) {
            return "is not {$rule['decoding']} behind its prefix";
        }
        if ($scheme['algorithm'] === 'ed25519') {
            return self::privateKey($i, $bytes);
        }
        [$least, $most] = [($rule['min_bytes'] ?? 0) ?: 1, ($rule['max_bytes'] ?? 0) ?: PHP_INT_MAX];
        if (strlen($bytes) < $least || strlen($bytes) > $most) {
            return 'decodes to ' . strlen($bytes) . " bytes, which make no key: at least $least do";
        }
        return ['scheme' => $i, 'secret' => $bytes];
    }

    /**
     * A seed, or a seed with its public key behind it, verifies with the public one.
     *
     * @return array<string, mixed>|string
     */
    private static function privateKey(int $i, #[\SensitiveParameter] string $bytes): array|string
    {
        if (strlen($bytes) !== 32 && strlen($bytes) !== 64) {
            return 'decodes to ' . strlen($bytes) . ' bytes; an Ed25519 key has 32 or 64';
        }
        if (($why = self::sodium()) !== null) {
            return $why;
        }
        $public = sodium_crypto_sign_publickey(sodium_crypto_sign_seed_keypair(substr($bytes, 0, 32)));
        if (strlen($bytes) === 64 && $public !== substr($bytes, 32)) {
            return 'has a public half that does not belong to its seed';
        }
        return ['scheme' => $i, 'public' => $public];
    }

    /**
     * The raw signature of a message's parts; null stands for the key.
     *
     * @param list<?string> $parts
     */
    public static function mac(string $algorithm, #[\SensitiveParameter] string $key, array $parts): string
    {
        if ($algorithm === 'token') {
            return $key;
        }
        $message = implode('', array_map(static fn (?string $p): string => $p ?? $key, $parts));
        return $algorithm === 'sha256' ? hash('sha256', $message, true) : hash_hmac(self::HASHES[$algorithm], $message, $key, true);
    }

    public static function time(string $format, string $text): ?\DateTimeImmutable
    {
        if ($format === 'unix' || $format === 'unix_millis') {
            if (!preg_match('/^[0-9]{1,15}$/D', $text)) {
                return null;
            }
            $millis = $format === 'unix' ? (int) $text * 1000 : (int) $text;
            $t = \DateTimeImmutable::createFromFormat('U u', intdiv($millis, 1000) . ' ' . sprintf('%06d', $millis % 1000 * 1000));
            return $t ?: null;
        }
        if (!preg_match('/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/D', $text)) {
            return null;
        }
        try {
            return new \DateTimeImmutable($text);
        } catch (\Exception) {
            return null;
        }
    }
}
