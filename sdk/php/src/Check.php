<?php

declare(strict_types=1);

namespace Malote;

/** One request being verified. @internal */
final class Check
{
    // Bounds of what a stranger can make a verification do.
    private const MAX_CARRIER = 8 << 10;
    private const MAX_ITEMS = 16;

    /** @var array<string, mixed> */
    public readonly array $signature;
    public string $carrier = '';
    /** @var list<array{int, string}> the scheme's index, the text behind its prefix */
    public array $items = [];
    public string $stamp = '';
    public ?\DateTimeImmutable $time = null;
    /** @var list<?string> the bytes that were signed, in order; null stands for the key */
    public array $parts = [];

    /**
     * @param array<string, mixed> $dialect
     * @param list<array{string, string}> $headers
     */
    public function __construct(
        private readonly array $dialect,
        private readonly array $headers,
        public readonly string $body,
        private readonly float $now,
    ) {
        $this->signature = $dialect['signature'];
    }

    /**
     * All values of a header, whatever the spelling of its name.
     *
     * @param list<array{string, string}> $headers
     * @return list<string>
     */
    public static function values(array $headers, string $name): array
    {
        return array_values(array_column(array_filter($headers, static fn (array $p): bool => strcasecmp($p[0], $name) === 0), 1));
    }

    /** Reads a header that must stand exactly once. */
    private function one(string $name): string|Verdict
    {
        $values = self::values($this->headers, $name);
        return match (true) {
            $values === [] => new Verdict(false, cause: 'missing_header', detail: "the header $name is missing" . $this->looksLike()),
            count($values) > 1 => self::malformed("the header $name stands " . count($values) . ' times'),
            $values[0] === '' => self::malformed("the header $name is empty"),
            default => $values[0],
        };
    }

    private function looksLike(): string
    {
        foreach (Dialect::builtin() as $d) {
            $header = $d['signature']['header'];
            if ($d['name'] !== ($this->dialect['name'] ?? '') && self::values($this->headers, $header) !== []) {
                return "; the request carries $header, as the dialect {$d['name']} does";
            }
        }
        return '';
    }

    public static function malformed(string $detail): Verdict
    {
        return new Verdict(false, cause: 'malformed', detail: $detail);
    }

    /** Takes the request's headers apart; the verdict is of a failure. */
    public function read(): ?Verdict
    {
        $name = $this->signature['header'];
        $carrier = $this->one($name);
        if ($carrier instanceof Verdict) {
            return $carrier;
        }
        if (strlen($carrier) > self::MAX_CARRIER) {
            return self::malformed("the header $name is too long; at most " . self::MAX_CARRIER . ' bytes are read');
        }
        $this->carrier = $carrier;
        return $this->readItems() ?? $this->readTime() ?? $this->readParts($this->body);
    }

    private function readItems(): ?Verdict
    {
        $name = $this->signature['header'];
        $separator = $this->signature['separator'] ?? '';
        $item = $this->signature['timestamp']['item'] ?? '';
        foreach ($separator === '' ? [$this->carrier] : array_map(trim(...), explode($separator, $this->carrier)) as $text) {
            if ($item !== '' && str_starts_with($text, $item)) {
                if ($this->stamp !== '') {
                    return self::malformed("the header $name holds $item twice");
                }
                $this->stamp = substr($text, strlen($item));
            }
            foreach ($this->signature['schemes'] as $i => $scheme) {
                $prefix = $scheme['prefix'] ?? '';
                if (str_starts_with($text, $prefix)) {
                    $this->items[] = [$i, substr($text, strlen($prefix))];
                }
            }
        }
        return match (true) {
            $this->items === [] => self::malformed("the header $name holds no signature that begins with "
                . implode(' or ', array_column($this->signature['schemes'], 'prefix'))),
            count($this->items) > self::MAX_ITEMS => self::malformed("the header $name holds " . count($this->items)
                . ' signatures; at most ' . self::MAX_ITEMS . ' are read'),
            default => null,
        };
    }

    public function readTime(): ?Verdict
    {
        $t = $this->signature['timestamp'] ?? null;
        if ($t === null) {
            return null;
        }
        if (($t['header'] ?? '') !== '') {
            $stamp = $this->one($t['header']);
            if ($stamp instanceof Verdict) {
                return $stamp;
            }
            $this->stamp = $stamp;
        } elseif ($this->stamp === '') {
            return self::malformed("the header {$this->signature['header']} holds no {$t['item']}");
        }
        $this->time = Dialect::time($t['format'], $this->stamp);
        return $this->time === null ? self::malformed("the timestamp is not in the format {$t['format']}") : null;
    }

    public function readParts(string $body): ?Verdict
    {
        $this->parts = [];
        foreach (Dialect::template($this->signature['message'] ?? '') as [$hole, $literal]) {
            $part = match ($hole) {
                null => $literal,
                'body' => $body,
                'body_sha256' => hash('sha256', $body),
                'timestamp' => $this->stamp,
                'secret' => null,
                default => $this->one(substr($hole, strlen('header:'))),
            };
            if ($part instanceof Verdict) {
                return $part;
            }
            $this->parts[] = $part;
        }
        return null;
    }

    /**
     * Says whether one of the signatures is what the key makes of the message.
     *
     * @param array<string, mixed> $key
     */
    public function matches(array $key): bool
    {
        $scheme = $this->signature['schemes'][$key['scheme']];
        $texts = array_column(array_filter($this->items, static fn (array $it): bool => $it[0] === $key['scheme']), 1);
        $matched = false;
        if (isset($key['public'])) {
            foreach ($texts as $text) {
                $raw = Dialect::decode($scheme['encoding'], $text);
                $matched = $matched || $raw !== null && strlen($raw) === 64
                    && sodium_crypto_sign_verify_detached($raw, implode('', $this->parts), $key['public']);
            }
            return $matched;
        }
        // The texts are compared, so that only the one spelling that the dialect
        // writes passes; as digests, for a token's length would show.
        $want = hash('sha256', Dialect::encode($scheme['encoding'] ?? '', Dialect::mac($scheme['algorithm'], $key['secret'], $this->parts)));
        foreach ($texts as $text) {
            $matched = hash_equals($want, hash('sha256', $text)) || $matched;
        }
        return $matched;
    }

    public function judgeClock(): Verdict
    {
        $off = $this->clockOff();
        if ($off !== '') {
            return new Verdict(false, cause: 'clock', detail: "the signature is right, but $off");
        }
        $token = $this->signature['schemes'][$this->items[0][0]]['algorithm'] === 'token';
        return new Verdict(true, proof: $token ? 'authenticated' : 'verified');
    }

    /** By how much the timestamp is out of its tolerance. */
    private function clockOff(): string
    {
        if ($this->time === null) {
            return '';
        }
        $age = round($this->now - (float) $this->time->format('U.u'), 6);
        $most = Dialect::seconds($this->signature['timestamp']['tolerance']);
        return match (true) {
            $age > $most => sprintf('it was made %.0f s ago and at most %.0f s are allowed: the request was held back or replayed, or a clock is wrong', $age, $most),
            $age < -$most => sprintf('its time lies %.0f s ahead and at most %.0f s are allowed: a clock is wrong', -$age, $most),
            default => '',
        };
    }

    /** What can be said without searching. */
    public function mismatch(): Verdict
    {
        $wellFormed = false;
        foreach ($this->items as [$i, $text]) {
            $scheme = $this->signature['schemes'][$i];
            $raw = Dialect::decode($scheme['encoding'] ?? '', $text);
            $wellFormed = $wellFormed || $scheme['algorithm'] === 'token' || $raw !== null && strlen($raw) === Explain::SIZES[$scheme['algorithm']];
        }
        if (!$wellFormed) {
            return self::malformed("the header {$this->signature['header']} holds nothing that could be a signature: this dialect writes "
                . Explain::spelling($this->signature['schemes'][$this->items[0][0]]));
        }
        $off = $this->clockOff();
        return new Verdict(false, cause: 'wrong_secret_or_body', detail: 'the signature matches none of the secrets: another secret signed it, '
            . 'or the body is not byte for byte what was signed' . ($off === '' ? '' : "; besides, $off"));
    }
}
