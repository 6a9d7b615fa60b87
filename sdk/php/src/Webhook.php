<?php

declare(strict_types=1);

namespace Malote;

/**
 * Verifies deliveries of any dialect, as the Go package webhook does: same
 * rules, same causes, same vectors.
 */
final class Webhook
{
    private const MAX_DIAGNOSE = 64 << 10; // bytes of a body that explanations are searched for

    /** @var array<string, mixed> */
    private readonly array $dialect;

    /** @var list<string> */
    private readonly array $secrets;

    /**
     * @param string|list<string> $secrets those in force; any one may match
     * @param string|array<string, mixed> $dialect a built-in one's name, or your own file, decoded to arrays
     */
    public function __construct(#[\SensitiveParameter] string|array $secrets, string|array $dialect = 'standard')
    {
        $this->secrets = array_values((array) $secrets);
        $this->dialect = Dialect::find($dialect);
    }

    /** Keeps the secrets out of dumps. @return array<string, mixed> */
    public function __debugInfo(): array
    {
        return ['dialect' => $this->dialect['name'] ?? ''];
    }

    /**
     * Judges a request's raw body, exactly the bytes that came in:
     * file_get_contents('php://input').
     *
     * @param iterable<mixed> $headers as getallheaders() gives them, as PSR-7's getHeaders(), or pairs
     * @param float|null $now unix seconds; null: now
     */
    public function verify(iterable $headers, string $body, ?float $now = null): Verdict
    {
        $detail = 'no secret was given; nothing passes without one';
        $keys = [];
        foreach ($this->secrets as $secret) {
            $key = Dialect::key($this->dialect, (string) $secret);
            if (is_array($key)) {
                $keys[] = $key;
            } else {
                $detail = "no secret can be used in the dialect {$this->dialect['name']}: a secret $key";
            }
        }
        if ($keys === []) {
            return new Verdict(false, cause: 'no_secret', detail: $detail);
        }
        $check = new Check($this->dialect, self::pairs($headers), $body, $now ?? microtime(true));
        $diagnose = strlen($body) <= self::MAX_DIAGNOSE;
        $refused = $check->read();
        if ($refused !== null) {
            return $diagnose && $check->carrier !== '' ? (new Explain($check))->prefix($keys, $refused) : $refused;
        }
        $matched = false;
        foreach ($keys as $key) {
            $matched = $check->matches($key) || $matched;
        }
        if ($matched) {
            return $check->judgeClock();
        }
        return $diagnose ? (new Explain($check))->explain($keys, $this->secrets) : $check->mismatch();
    }

    /**
     * Verifies a delivery and reads its event.
     *
     * @param iterable<mixed> $headers as for verify
     * @throws VerificationException
     */
    public function unwrap(iterable $headers, string $body, ?float $now = null): Event
    {
        $headers = self::pairs($headers);
        $verdict = $this->verify($headers, $body, $now);
        if (!$verdict->ok) {
            throw new VerificationException($verdict);
        }
        return $this->read($headers, $body);
    }

    /** The built-in dialects. @return list<array<string, mixed>> */
    public static function dialects(): array
    {
        return Dialect::builtin();
    }

    /** @return list<array{string, string}> */
    private static function pairs(iterable $headers): array
    {
        $pairs = [];
        foreach ($headers as $name => $value) {
            if (is_int($name)) { // already a pair; a header's name is never a number
                $pairs[] = [(string) $value[0], (string) $value[1]];
                continue;
            }
            foreach ((array) $value as $one) {
                $pairs[] = [$name, (string) $one];
            }
        }
        return $pairs;
    }

    private static function unreadable(string $detail): VerificationException
    {
        return new VerificationException(new Verdict(false, cause: 'malformed', detail: "the signature is right, but $detail"));
    }

    /** @param list<array{string, string}> $headers */
    private function read(array $headers, string $body): Event
    {
        try {
            $json = json_decode($body, true, 1024, JSON_THROW_ON_ERROR);
        } catch (\JsonException) {
            throw self::unreadable('the body is not JSON');
        }
        $shape = $this->dialect['envelope']['shape'];
        $event = new Event();
        foreach (Dialect::holes($shape) as [$path, $name, $format]) {
            if (($path[0] ?? '') === '...') {
                $event->data = array_diff_key((array) $json, $shape + ['id' => null]);
                continue;
            }
            $value = $json;
            foreach ($path as $key) {
                if (!is_array($value) || !array_key_exists($key, $value)) {
                    throw self::unreadable('/' . implode('/', $path) . ' is missing in the body');
                }
                $value = $value[$key];
            }
            self::set($event, $name, $format, $value);
        }
        if ($event->id === null && is_array($shape) && !isset($shape['id']) && is_array($json) && is_string($json['id'] ?? null)) {
            $event->id = $json['id']; // the id that some projects add
        }
        foreach ($this->dialect['headers'] as $rule) {
            $hole = Dialect::holes($rule['value'])[0] ?? null;
            $values = Check::values($headers, $rule['name']);
            if ($hole !== null && count($values) === 1 && property_exists($event, $hole[1]) && $event->{$hole[1]} === null) {
                self::set($event, $hole[1], $hole[2], $values[0]);
            }
        }
        return $event;
    }

    private static function set(Event $event, string $name, string $format, mixed $value): void
    {
        match ($name) {
            'data' => $event->data = $value,
            'time' => $event->time = Dialect::time($format, is_scalar($value) ? (string) $value : ''),
            'attempt' => $event->attempt = (int) $value,
            'id', 'type', 'endpoint', 'consumer' => $event->$name = is_scalar($value) ? (string) $value : null,
            default => null,
        };
    }
}
