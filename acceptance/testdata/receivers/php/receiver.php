<?php
// A receiver for PHP's built-in server as the contracts' consumers write it:
// raw bytes first, then HMAC, 401 on a mismatch, 200 at once.
declare(strict_types=1);

function header_value(string $name): string
{
    return $_SERVER['HTTP_' . strtoupper(str_replace('-', '_', $name))] ?? '';
}

function hex_matches(string $header, string $prefix, string $raw, string $secret): bool
{
    $value = header_value($header);
    if ($prefix !== '' && str_starts_with($value, $prefix)) {
        $value = substr($value, strlen($prefix));
    }
    return hash_equals(hash_hmac('sha256', $raw, $secret), $value);
}

function standard(string $raw, string $secret): bool
{
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret));
    $stamp = header_value('webhook-timestamp');
    if (abs(time() - (int) $stamp) > 300) {
        return false;
    }
    $signed = header_value('webhook-id') . '.' . $stamp . '.' . $raw;
    $want = 'v1,' . base64_encode(hash_hmac('sha256', $signed, $key, true));
    foreach (explode(' ', header_value('webhook-signature')) as $one) {
        if (hash_equals($want, $one)) {
            return true;
        }
    }
    return false;
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$contract = explode('/', $path)[1];
$secret = json_decode(file_get_contents(getenv('SECRETS')), true)[$path] ?? '';
$raw = file_get_contents('php://input');

$ok = match ($contract) {
    'gabinete360' => hex_matches('x-argos-signature', '', $raw, $secret),
    'connectvets' => hex_matches('X-ConnectVets-Signature', 'sha256=', $raw, $secret),
    'habilitar' => hex_matches('x-signature', '', $raw, $secret),
    'placaflow' => hex_matches('X-Signature-256', '', $raw, $secret),
    'tarefa' => hex_matches('X-Webhook-Signature', 'sha256=', $raw, $secret),
    'standard' => standard($raw, $secret),
    default => false,
};

json_decode($raw);
$headers = [];
foreach (getallheaders() as $name => $value) {
    $headers[] = [$name, $value];
}
file_put_contents('php://stdout', json_encode([
    'path' => $path,
    'headers' => $headers,
    'body' => base64_encode($raw),
    'verified' => $ok,
    'json' => json_last_error() === JSON_ERROR_NONE,
]) . "\n");

header('Content-Type: application/json');
http_response_code($ok ? 200 : 401);
echo json_encode($ok ? ['received' => true, 'processedAt' => gmdate('c')] : ['error' => 'Invalid signature']);
